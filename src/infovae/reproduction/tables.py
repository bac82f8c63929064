"""Average numbers over seeds, and write tables."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from infovae.reproduction.cells import Cell

Key = TypeVar("Key")


class Estimate(NamedTuple):
    """A mean over seeds and its standard error; nan for a single seed."""

    mean: float
    standard_error: float

    def __str__(self) -> str:
        if math.isnan(self.standard_error):
            return f"{self.mean:.2f}".replace("-", "−")
        decimals = _decimals(self.standard_error)
        return f"{self.mean:.{decimals}f} ± {self.standard_error:.{decimals}f}".replace("-", "−")


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean and standard error of independent values, at least one; nan if one of them is nan."""
    n = len(values)
    with np.errstate(invalid="ignore"):  # the rate of a deterministic posterior is infinite, its error nan
        error = np.std(values, ddof=1) / math.sqrt(n) if n > 1 else math.nan
    return Estimate(float(np.mean(values)), float(error))


def measured(cells: Iterable[Cell], name: str) -> Estimate:
    """Return the estimate of a metric over the seeds."""
    return estimate([cell.metrics[name] for cell in cells])


def grouped(cells: Iterable[Cell], key: Callable[[Cell], Key]) -> dict[Key, list[Cell]]:
    """Return the cells by a key that they share, in the order in which keys first appear."""
    groups: dict[Key, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(key(cell), []).append(cell)
    return groups


def markdown(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _decimals(error: float) -> int:
    """Return how many decimals show the error's first two digits; 0 for a large error."""
    return max(0, 1 - math.floor(math.log10(error))) if 0 < error < math.inf else 2
