"""Numbers over seeds, and tables of them."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from infovae.reproduction.cells import Cell

Key = TypeVar("Key")


class Estimate(NamedTuple):
    """A mean over seeds and its standard error, which a single seed doesn't have: nan."""

    mean: float
    standard_error: float

    def __str__(self) -> str:
        if math.isnan(self.standard_error):
            return f"{self.mean:.2f}".replace("-", "−")
        decimals = _decimals(self.standard_error)
        return f"{self.mean:.{decimals}f} ± {self.standard_error:.{decimals}f}".replace("-", "−")


def estimate(values: Sequence[float]) -> Estimate:
    """Of independent values, at least one; nan where one is."""
    n = len(values)
    error = np.std(values, ddof=1) / math.sqrt(n) if n > 1 else math.nan
    return Estimate(float(np.mean(values)), float(error))


def measured(cells: Iterable[Cell], name: str) -> Estimate:
    """A metric over the seeds."""
    return estimate([cell.metrics[name] for cell in cells])


def grouped(cells: Iterable[Cell], key: Callable[[Cell], Key]) -> dict[Key, list[Cell]]:
    """Cells by what they have in common, in the order in which it first appears."""
    groups: dict[Key, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(key(cell), []).append(cell)
    return groups


def markdown(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _decimals(error: float) -> int:
    """Down to the error's second digit, and none after the point of what is large."""
    return max(0, 1 - math.floor(math.log10(error))) if 0 < error < math.inf else 2
