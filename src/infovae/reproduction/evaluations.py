"""Measure a figure's cells with `infovae evaluate`; results stay in their folders, so none is measured twice."""

import json
from collections.abc import Iterable, Sequence

from infovae.reproduction.cells import Cell
from infovae.reproduction.scripts import run_script


def evaluated(cells: Iterable[Cell], overrides: Sequence[str]) -> list[Cell]:
    """Return the cells that `infovae evaluate` has measured with these overrides."""
    records = [(cell, cell.evaluation) for cell in cells]
    complete = [(cell, record) for cell, record in records if not record.get("not_yet_measured")]
    return [cell for cell, record in complete if set(overrides) <= set(record.get("command", ()))]


def evaluate_cells(cells: Sequence[Cell], overrides: Sequence[str], classifier: str | None) -> None:
    """Let `infovae evaluate` measure the cells that it hasn't measured yet; results are in their folders.

    ``classifier`` is the data set whose classifier judges samples; `infovae classifier` trains it where it isn't there.
    """
    done = {cell.folder for cell in evaluated(cells, overrides)}
    missing = [str(cell.folder.resolve()) for cell in cells if cell.folder not in done]
    if not missing:
        return
    if classifier is not None:
        run_script("classifier", f"data={classifier}")
    run_script("evaluate", f"run={json.dumps(missing)}", *overrides)
