"""``sweep.resume=PATH``: the command line of a sweep that goes on."""

import logging
from collections.abc import Sequence
from pathlib import Path

from infovae.errors import UserError
from infovae.runs.safe_yaml import safe_yaml
from infovae.sweeps.overrides import not_overridden, unquoted
from infovae.terminal.command import quoted

KEY = "sweep.resume="

log = logging.getLogger(__name__)


def resumed(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a command; with ``sweep.resume=PATH``, with those that the sweep was started with.

    A key given now wins over the recorded one. So ``-m sweep.resume=PATH`` alone and the sweep's own command with
    ``sweep.resume=PATH`` added name the same sweep, and another seed, say, adds jobs to it.

    Raises:
        UserError: PATH is not the folder of a sweep, or its record is damaged and the command says nothing else.
    """
    places = [place for place, entry in enumerate(arguments) if entry.startswith(KEY)]
    path = unquoted(arguments[places[-1]].removeprefix(KEY)) if places else ""
    if path in ("", "null"):
        return list(arguments)
    own = [f"{KEY}{quoted(path)}", "hydra.mode=MULTIRUN", f"hydra.sweep.dir={quoted(path)}"]
    before, after = (
        not_overridden(part, by=own) for part in (arguments[: places[-1]], arguments[places[-1] + 1 :])
    )  # fmt: skip
    given = [*before, *after]
    recorded = _recorded(path, sweep_is_given=any("=" in entry and not entry.startswith("-") for entry in given))
    # In the place of sweep.resume=, since flags may follow, and overrides must not be apart.
    return [*before, *not_overridden(recorded, by=[*given, *own]), *own, *after]


def _recorded(path: str, sweep_is_given: bool) -> list[str]:
    record = Path(path) / "multirun.yaml"
    if not record.is_file():
        raise UserError("no multirun.yaml in there", key=KEY[:-1], value=path, accepted="the folder of a sweep")
    try:
        match safe_yaml(record.read_text()):
            case {"hydra": {"overrides": {"hydra": [*of_hydra], "task": [*of_task]}}}:
                return [str(entry) for entry in (*of_hydra, *of_task)]
        raise ValueError("it lists no overrides")
    except (OSError, ValueError) as error:
        if not sweep_is_given:
            accepted = f"the sweep's own command with {KEY}{path} added"
            raise UserError("its multirun.yaml is damaged", key=KEY[:-1], value=path, accepted=accepted) from error
    log.warning("%s is damaged; the sweep goes on by this command alone", record)
    return []
