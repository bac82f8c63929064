"""The command line that makes a run again."""

import shlex
from collections.abc import Mapping
from typing import Any

from infovae.dashboard.reading import mapping


def exact_command(summary: Mapping[str, Any], hydra: Mapping[str, Any]) -> str | None:
    """A command line to paste into a POSIX shell at the top of the repository; None where the run doesn't tell.

    A single run's is what was typed. A job of a multirun is made again without the other jobs: by the overrides that
    Hydra gave it. A run that has no summary yet is told by its overrides too.

    Args:
        summary: content of ``summary.json``.
        hydra: the ``hydra`` node of ``.hydra/hydra.yaml``.
    """
    typed = _strings(summary.get("command"))
    script = typed[0] if typed else f"{mapping(hydra.get('job')).get('name')}.py"
    if not script.endswith(".py") or script.startswith("-"):
        return None
    overrides = _strings(mapping(hydra.get("overrides")).get("task"))
    if typed and (hydra.get("mode") == "RUN" or not {"-m", "--multirun"}.intersection(typed)):
        return shlex.join(["python", *typed])
    if overrides is None:
        return None
    return shlex.join(["python", script, *overrides])


def _strings(value: Any) -> list[str] | None:
    if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return value
    return None
