"""The base class of the paper's figures."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import chain
from typing import Literal, NamedTuple

from infovae.errors import ArgumentError
from infovae.pictures.picture import Pixels
from infovae.reproduction.cells import Cell, laid_over
from infovae.sweeps.overrides import key_of

Row = Mapping[str, float | str]

Scale = Literal["quick", "long", "paper"]


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
        long: overrides for some hours of two cores; none: the figure has no such scale.
        decoders: by arm, an earlier arm: cells start with the decoder of its cell of the same seed.
        arms_at: by scale, the names of its arms; all of them by default.
        cells_at: by scale, the figure whose folder holds the cells; this figure's own by default.
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
        long: list[str] | None = None,
        decoders: dict[str, str] | None = None,
        arms_at: dict[str, list[str]] | None = None,
        cells_at: dict[str, str] | None = None,
        evaluation: dict[str, list[str]] | None = None,
        classifier: str | None = None,
    ) -> None:
        self.cells = cells
        self.arms = arms
        self.scales = {"quick": quick, "paper": paper} | ({} if long is None else {"long": long})
        self.decoders = decoders or {}
        if absent := [name for pair in self.decoders.items() for name in pair if name not in arms]:
            raise ArgumentError("decoders", absent[0], f"arms: {', '.join(arms)}")
        self.arms_at = arms_at or {}
        for scale in self.scales:
            names = list(self.arms_at.get(scale, arms))
            if absent := [name for name in names if name not in arms]:
                raise ArgumentError("arms_at", absent[0], f"arms: {', '.join(arms)}")
            for position, name in enumerate(names):
                if (first := self.decoders.get(name, name)) not in [*names[:position], name]:
                    why = f"arms_at.{scale} doesn't list this arm before {name}, which starts with its decoder"
                    raise ArgumentError("decoders", first, f"an arm before {name} at scale={scale}", why)
        self.cells_at = cells_at or {}
        self.evaluation = evaluation or {}
        self.classifier = classifier

    def overrides(self, scale: Scale, last: Sequence[str]) -> dict[str, list[str]]:
        """Return the overrides of each arm's cells at a scale, by the arm's name.

        Key by key, the arm's win over the figure's, the scale's over both, and ``last`` over all.
        """
        names = self.arms_at.get(scale, self.arms)
        return {name: reduce(laid_over, (self.arms[name], self.scales[scale], last), self.cells) for name in names}

    def separates(self, key: str) -> bool:
        """Return whether cells may have several values of a key: their figure then doesn't average over them.

        These are the seed, over which it means to average, the objective's, and those that the figure sets itself.
        """
        own = {key_of(override) for override in chain(self.cells, *self.arms.values())}
        return key in {"seed", "model", *own} or key.startswith("model.")

    @abstractmethod
    def draw(self, cells: Sequence[Cell]) -> Findings:
        """Return the findings from at least one cell, in the order of the combinations."""
