"""The command that installs an extra."""

import re
import shlex
from importlib.metadata import requires


def install(extra: str) -> str:
    """Return the command that installs what an extra of this package needs, in a clone or elsewhere."""
    needed = (need.partition(";") for need in requires("infovae") or [])
    names = [name.strip() for name, _, marker in needed if re.search(rf"extra == .{extra}.$", marker.strip())]
    return f"pip install {shlex.join(names)}"
