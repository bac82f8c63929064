"""What an extra of this package needs, and the command that installs it."""

import re
import shlex
from importlib.metadata import requires


def needed(extra: str) -> list[str]:
    """Return the requirements of an extra, such as ``onnx>=1.17``."""
    needs = (need.partition(";") for need in requires("infovae") or [])
    return [name.strip() for name, _, marker in needs if re.search(rf"extra == .{extra}.$", marker.strip())]


def install(extra: str) -> str:
    """Return the command that installs what an extra of this package needs, in a clone or elsewhere."""
    needs = needed(extra)
    what = shlex.join(needs) if needs else f"-e '.[{extra}]'"  # a clone that was updated since
    return f"pip install {what}"
