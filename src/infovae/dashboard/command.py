"""Find the command line that reproduces a run."""

import shlex
from collections.abc import Mapping
from typing import Any

from infovae.dashboard.reading import mapping


def exact_command(summary: Mapping[str, Any], hydra: Mapping[str, Any]) -> str | None:
    """A command line to paste into a POSIX shell; None where the run doesn't tell.

    A single run's is what was typed. A job of a multirun is made again without the other jobs: by the overrides that
    Hydra gave it. A run that has no summary yet is told by its overrides too.

    Args:
        summary: content of ``summary.json``.
        hydra: the ``hydra`` node of ``.hydra/hydra.yaml``.
    """
    typed = _strings(summary.get("command"))
    if typed is None:
        program = ["infovae", str(mapping(hydra.get("job")).get("name"))]
    else:  # runs of version 0.1 recorded the script
        program = typed[:2] if typed[:1] == ["infovae"] else ["python", *typed[:1]]
    if len(program) < 2 or (program[0] == "python" and (program[1][:1] == "-" or not program[1].endswith(".py"))):
        return None
    overrides = _strings(mapping(hydra.get("overrides")).get("task"))
    if typed and (hydra.get("mode") == "RUN" or not {"-m", "--multirun"}.intersection(typed)):
        return shlex.join(typed if program[0] == "infovae" else ["python", *typed])
    if overrides is None:
        return None
    return shlex.join([*program, *overrides])


def _strings(value: Any) -> list[str] | None:
    if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return value
    return None
