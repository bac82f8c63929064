"""Draws of examples that share the value of a factor."""

from collections.abc import Iterator

import torch
from jaxtyping import Int64
from torch import Tensor

from infovae.metrics.factor_metric import varying
from infovae.terminal.progress import progress

BLOCK = 2**20
"""Numbers held at a time."""


class SharedValues:
    """The examples that have each value of a factor; those that share theirs with no other are never drawn.

    Args:
        values: of the factor, by example; at least two are alike.
    """

    def __init__(self, values: Int64[Tensor, " n"]) -> None:
        _, group, counts = values.unique(return_inverse=True, return_counts=True)
        self.order = group.argsort(stable=True)
        self.counts = counts[group]
        self.first = (counts.cumsum(dim=0) - counts)[group]
        self.rank = self.order.argsort() - self.first
        self.shared = (self.counts > 1).nonzero()[:, 0]

    def draw(self, count: int) -> Int64[Tensor, " m"]:
        """So many examples, with replacement."""
        return self.shared[torch.randint(len(self.shared), (count,))]

    def alike(self, examples: Int64[Tensor, " m"], count: int) -> Int64[Tensor, "m l"]:
        """For each of these, so many of those that have its value, itself among them, with replacement."""
        chosen = torch.rand(len(examples), count, dtype=torch.float64) * self.counts[examples, None]
        return self.order[self.first[examples, None] + chosen.long()]

    def partners(self, examples: Int64[Tensor, " m"]) -> Int64[Tensor, " m"]:
        """For each of these, another that has its value."""
        chosen = (torch.rand(len(examples), dtype=torch.float64) * (self.counts[examples] - 1)).long()
        chosen += chosen >= self.rank[examples]
        return self.order[self.first[examples] + chosen]


def fixable(factors: Int64[Tensor, "n k"]) -> set[int]:
    """The factors that vary and have a value that two examples share."""
    return {j for j in varying(factors) if len(factors[:, j].unique()) < len(factors)}


def drawn_factors(
    factors: Int64[Tensor, "n k"], fixed: list[int], count: int, size: int
) -> Iterator[tuple[int, SharedValues, int]]:
    """Factors to fix, drawn evenly, so many times: how often each, in blocks.

    Args:
        factors: of all examples.
        fixed: which are drawn from, each with a value that two examples share.
        count: how many draws.
        size: numbers that each draw takes; a block holds no more than :data:`BLOCK`, or one draw.

    Yields:
        A position in ``fixed``, the examples by the value of that factor, and for how many draws.
    """
    times = torch.randint(len(fixed), (count,)).bincount(minlength=len(fixed)).tolist()
    most = max(1, BLOCK // size)
    for position, total in progress(list(enumerate(times)), "fixing factors"):
        shared = SharedValues(factors[:, fixed[position]])
        for done in range(0, total, most):
            yield position, shared, min(most, total - done)
