"""An aggregate posterior that has the prior's size on unseen digits too."""

from collections.abc import Sequence

import numpy as np

from infovae.reproduction.cells import Cell
from infovae.reproduction.figure import Figure, Findings


class Search(Figure):
    """What was tried."""

    title = "The search"

    def draw(self, cells: Sequence[Cell]) -> Findings:
        data = [{"name": cell.cfg.name, **row} for cell in cells for row in cell.rows]
        return Findings(np.zeros((10, 10, 3), dtype=np.uint8), data, "| a |")


class BeyondTheAuthors(Search):
    """The paper's point and the chosen setting."""
