"""Measure a figure's cells with `infovae evaluate`; results stay in their folders, so none is measured twice."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from infovae.reproduction.cells import Cell
from infovae.reproduction.scripts import run_script


def evaluations(cell: Cell) -> dict[str, float]:
    """Return the numbers of a cell by ``split/name``; none if it has not been evaluated."""
    return {
        name: float(value) for name, value in _record(cell).get("metrics", {}).items() if not isinstance(value, list)
    }


def evaluated(cells: Iterable[Cell], overrides: Sequence[str]) -> list[Cell]:
    """Return the cells that `infovae evaluate` has measured with these overrides."""
    records = {cell: _record(cell) for cell in cells}
    complete = [cell for cell, record in records.items() if not record.get("not_yet_measured")]
    return [cell for cell in complete if set(overrides) <= set(records[cell].get("command", ()))]


def evaluate_cells(cells: Sequence[Cell], overrides: Sequence[str], classifier: str | None) -> None:
    """Let `infovae evaluate` measure the cells that it hasn't measured yet; results are in their folders.

    Args:
        cells: finished ones.
        overrides: as infovae evaluate takes them.
        classifier: the data set whose classifier judges samples; infovae classifier trains it where it isn't there.
    """
    done = {cell.folder for cell in evaluated(cells, overrides)}
    missing = [str(cell.folder.resolve()) for cell in cells if cell.folder not in done]
    if not missing:
        return
    if classifier is not None:
        run_script("classifier", f"data={classifier}")
    run_script("evaluate", f"run={json.dumps(missing)}", *overrides)


def _record(cell: Cell) -> dict[str, Any]:
    path = cell.folder / "evaluation.json"
    record: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return record
