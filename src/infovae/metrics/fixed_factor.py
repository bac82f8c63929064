"""Draw examples that share the value of a factor."""

from collections.abc import Iterator

import torch
from jaxtyping import Int64
from torch import Tensor

from infovae.metrics.factor_metric import varying
from infovae.terminal.progress import progress

DRAWN_AT_ONCE = 2**20
"""Numbers held at a time."""


class SharedValues:
    """The examples that have each value of a factor. An example that shares its value with no other is never drawn.

    Args:
        values: the factor's value of each example; at least two are alike.
    """

    def __init__(self, values: Int64[Tensor, " n"]) -> None:
        _, group, counts = values.unique(return_inverse=True, return_counts=True)
        self.order = group.argsort(stable=True)
        self.counts = counts[group]
        self.first = (counts.cumsum(dim=0) - counts)[group]
        self.rank = self.order.argsort() - self.first
        self.shared = (self.counts > 1).nonzero()[:, 0]

    def draw(self, count: int) -> Int64[Tensor, " m"]:
        """Return ``count`` examples, drawn with replacement."""
        return self.shared[torch.randint(len(self.shared), (count,))]

    def alike(self, examples: Int64[Tensor, " m"], count: int) -> Int64[Tensor, "m l"]:
        """Return ``count`` examples with the value of each given one, itself included, drawn with replacement."""
        chosen = torch.rand(len(examples), count, dtype=torch.float64) * self.counts[examples, None]
        return self.order[self.first[examples, None] + chosen.long()]

    def partners(self, examples: Int64[Tensor, " m"]) -> Int64[Tensor, " m"]:
        """Return another example with the value of each given one."""
        chosen = (torch.rand(len(examples), dtype=torch.float64) * (self.counts[examples] - 1)).long()
        chosen += chosen >= self.rank[examples]
        return self.order[self.first[examples] + chosen]


def fixable(*splits: Int64[Tensor, "_n k"]) -> list[int]:
    """Return the factors that vary and have a value that two examples share, in each of the splits."""
    found = [{j for j in varying(factors) if len(factors[:, j].unique()) < len(factors)} for factors in splits]
    return sorted(set.intersection(*found))


def drawn_factors(
    factors: Int64[Tensor, "n k"], fixed: list[int], count: int, size: int
) -> Iterator[tuple[int, SharedValues, int]]:
    """Draw one of the factors ``fixed`` ``count`` times, evenly, and yield how often each came up, in blocks.

    A block is a position in ``fixed``, the examples by the value of that factor, and a number of draws. Each draw takes
    ``size`` numbers; a block holds at most :data:`DRAWN_AT_ONCE`, or one draw.
    """
    times = torch.randint(len(fixed), (count,)).bincount(minlength=len(fixed)).tolist()
    most = max(1, DRAWN_AT_ONCE // size)
    for position, total in progress(list(enumerate(times)), "fixing factors"):
        shared = SharedValues(factors[:, fixed[position]])
        for done in range(0, total, most):
            yield position, shared, min(most, total - done)
