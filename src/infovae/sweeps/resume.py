"""``sweep.resume=PATH``: the command line of a sweep that goes on."""

import logging
from collections.abc import Sequence
from pathlib import Path

from infovae.errors import UserError
from infovae.runs.safe_yaml import safe_yaml
from infovae.sweeps.overrides import not_overridden, quoted, unquoted

KEY = "sweep.resume="

log = logging.getLogger(__name__)


def resumed(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a command; with ``sweep.resume=PATH``, with those that the sweep was started with.

    A key given now wins over the recorded one. So ``-m sweep.resume=PATH`` alone and the sweep's own command with
    ``sweep.resume=PATH`` added name the same sweep, and another seed, say, adds jobs to it.

    Raises:
        UserError: PATH is not the folder of a sweep, or its record is damaged and the command says nothing else.
    """
    path = next((unquoted(entry.removeprefix(KEY)) for entry in reversed(arguments) if entry.startswith(KEY)), "")
    if path in ("", "null"):
        return list(arguments)
    given = [f"{KEY}{quoted(path)}" if entry.startswith(KEY) else entry for entry in arguments]
    recorded = _recorded(path, sweep_is_given=any("=" in entry and not entry.startswith(KEY) for entry in arguments))
    own = ["hydra.mode=MULTIRUN", f"hydra.sweep.dir={quoted(path)}"]
    return [*given, *not_overridden(recorded, by=[*given, *own]), *own]


def _recorded(path: str, sweep_is_given: bool) -> list[str]:
    record = Path(path) / "multirun.yaml"
    if not record.is_file():
        raise UserError("no multirun.yaml in there", key=KEY[:-1], value=path, accepted="the folder of a sweep")
    try:
        overrides = safe_yaml(record.read_text())["hydra"]["overrides"]
        return [str(entry) for kind in ("hydra", "task") for entry in overrides[kind]]
    except (OSError, ValueError, TypeError, KeyError) as error:
        if not sweep_is_given:
            accepted = f"the sweep's own command with {KEY}{path} added"
            raise UserError("its multirun.yaml is damaged", key=KEY[:-1], value=path, accepted=accepted) from error
    log.warning("%s is damaged; the sweep goes on by this command alone", record)
    return []
