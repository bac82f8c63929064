"""The base class of the paper's figures."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from infovae.pictures.picture import Pixels
from infovae.reproduction.cells import Cell, laid_over

Row = Mapping[str, float | str]


class Findings(NamedTuple):
    """The results of a figure.

    Attributes:
        picture: the figure.
        data: what was drawn, a row a point; columns may differ from row to row.
        tables: in Markdown, with standard errors over seeds.
    """

    picture: Pixels
    data: Sequence[Row]
    tables: str


class Figure(ABC):
    """A figure: its cells, and how the finished ones are drawn and tabulated.

    Args:
        cells: overrides of infovae train, as experiment=NAME and seed=1,2,3.
        arms: by name, the overrides that name an objective or several, which win over those of all cells. Every
            combination of their values is a cell.
        quick: overrides that make the cells fit two cores and twenty minutes.
        paper: overrides for the full protocol.
        evaluation: by scale, the overrides with which infovae evaluate measures finished cells; none: it doesn't.
        classifier: the data set whose classifier that needs; infovae classifier trains it.
    """

    title: str

    def __init__(
        self,
        cells: list[str],
        arms: dict[str, list[str]],
        quick: list[str],
        paper: list[str],
        evaluation: dict[str, list[str]] | None = None,
        classifier: str | None = None,
    ) -> None:
        self.cells = cells
        self.arms = arms
        self.scales = {"quick": quick, "paper": paper}
        self.evaluation = evaluation or {}
        self.classifier = classifier

    def overrides(self, arm: str, scale: Literal["quick", "paper"], last: Sequence[str]) -> list[str]:
        """Return the overrides of an arm's cells.

        Key by key, the arm's win over the figure's, the scale's over both, and ``last`` over all.
        """
        overrides = self.cells
        for layer in (self.arms[arm], self.scales[scale], last):
            overrides = laid_over(overrides, layer)
        return overrides

    @abstractmethod
    def draw(self, cells: Sequence[Cell]) -> Findings:
        """Return the findings from at least one cell, in the order of the combinations."""
