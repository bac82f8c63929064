"""``sweep.resume=PATH``: the command line of a sweep that goes on."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf

from infovae.errors import UserError
from infovae.sweeps.overrides import not_overridden

KEY = "sweep.resume="


def resumed(arguments: Sequence[str]) -> list[str]:
    """The arguments of a command; with ``sweep.resume=PATH`` also those that the sweep in PATH was started with.

    A key given now wins over the recorded one, so both ``-m sweep.resume=PATH`` alone and the sweep's own command with
    ``sweep.resume=PATH`` added name the same sweep, and another seed, say, adds jobs to it.

    Raises:
        UserError: PATH is not the folder of a sweep.
    """
    path = next((entry.removeprefix(KEY).strip("'\"") for entry in reversed(arguments) if entry.startswith(KEY)), "")
    if path in ("", "null"):
        return list(arguments)
    record = Path(path) / "multirun.yaml"
    if not record.is_file():
        raise UserError(f"{KEY}{path}: no multirun.yaml in there; accepted: the folder of a sweep")
    overrides = OmegaConf.load(record).hydra.overrides
    own = ["hydra.mode=MULTIRUN", f"hydra.sweep.dir='{path}'"]
    return [*arguments, *not_overridden([*overrides.hydra, *overrides.task], by=[*arguments, *own]), *own]
