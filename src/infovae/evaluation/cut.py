"""What an evaluation that was cut had measured: the same command measures only the rest."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infovae.evaluation.measure import NOTHING, Measured, Value
from infovae.runs.folder import code_used

log = logging.getLogger(__name__)

MAY_DIFFER = ("name", "checkpoint", "settings")
"""Where the weights lie, and settings of metrics that aren't measured yet."""


def measured_before(folder: Path, about: Mapping[str, Any]) -> Measured:
    """Return what a cut evaluation of the same weights, under the same settings and by the same code, has measured.

    Args:
        folder: of the results.
        about: what the numbers depend on, as ``evaluation.json`` holds it.
    """
    try:
        record: Any = json.loads((folder / "evaluation.json").read_text())
        if not record["not_yet_measured"]:
            return NOTHING
        settings = dict(record["settings"])
        done = settings.keys() - set(record["not_yet_measured"])
        values = {name: _number(value) for name, value in record["metrics"].items()}
        seconds = {name: float(record["seconds"][name]) for name in done}
        measured = Measured(values, dict(record["reasons"]), seconds, [], frozenset(record["absent"]))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):  # none, or none of ours
        return NOTHING
    same = {name: value for name, value in {**about, **code_used()}.items() if name not in MAY_DIFFER}
    if about["sha256"] is None or any(record.get(name) != value for name, value in same.items()):
        return NOTHING
    if any(about["settings"].get(name) != settings[name] for name in done):
        return NOTHING
    log.info("going on with the evaluation that was cut: it had measured %s", ", ".join(sorted(done)))
    return measured


def _number(value: Any) -> Value:
    """Return a value of a record, where infinities and nan are strings."""
    return [float(entry) for entry in value] if isinstance(value, list) else float(value)
