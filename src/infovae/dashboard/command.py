"""Find the command line that reproduces a run."""

import shlex
from collections.abc import Mapping
from typing import Any

from infovae.dashboard.reading import mapping

LONGEST = 2**15
"""Characters of a command."""


def exact_command(summary: Mapping[str, Any], hydra: Mapping[str, Any]) -> str | None:
    """Return a command line to paste into a POSIX shell; None if the run's records don't give one.

    For a single run it is the command that was typed. For a job of a multirun, and for a run without a summary, it is
    made of the overrides that Hydra gave the job, so that it runs this one job.

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
    # Of a sweep that went on, every job's record names the sweep, which has no job left to run.
    return shlex.join([*program, *(entry for entry in overrides if not entry.lstrip("+").startswith("sweep."))])


def _strings(value: Any) -> list[str] | None:
    """Return ``value`` if it is a list of strings that a page can hold, else None."""
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        return None
    return value if sum(map(len, value)) <= LONGEST else None
