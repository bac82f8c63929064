"""The base of metrics that compare codes with known factors of variation."""

from abc import abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from infovae.codes import Codes
from infovae.data.module import DataModule
from infovae.errors import UserError, require_at_least
from infovae.exact import exact
from infovae.metrics.metric import Metric
from infovae.model import Observed


class FactorMetric(Metric):
    """Gather E[z|x] and the factors of a split's first examples, and measure them on the CPU.

    A code that isn't finite makes every score nan.

    Args:
        data: the images, whose factors must be known.
        examples: how many examples to use, at most.

    Raises:
        UserError: the data set has no known factors.
    """

    names: ClassVar[tuple[str, ...]]
    """Names of the scores."""

    effort = 10

    mean: list[Tensor]
    factors: list[Tensor]

    def __init__(self, data: DataModule, examples: int) -> None:
        super().__init__()
        if any(part.factors is None for part in data.splits.values() if len(part.x)):
            raise UserError(
                f"metrics: {type(self).__name__} needs known factors of variation, and this data set has none; "
                "accepted: one that has, such as data=sprites"
            )
        require_at_least(1, examples=examples)
        self.add_state("mean", [], dist_reduce_fx="cat")
        self.add_state("factors", [], dist_reduce_fx="cat")
        self.examples = examples

    def observe(self, observed: Observed) -> None:
        assert observed.factors is not None
        self.update(observed.codes, observed.factors)

    def update(self, codes: Codes, factors: Int64[Tensor, "n k"]) -> None:
        """Take in the codes and the factors of one batch."""
        missing = self.examples - sum(map(len, self.mean))
        if missing > 0:
            self.mean.append(codes.mean[:missing])
            self.factors.append(factors[:missing])

    def compute(self) -> dict[str, Tensor]:
        codes, factors = exact(torch.cat(list(self.mean))).cpu(), torch.cat(list(self.factors)).cpu()
        if not codes.isfinite().all():
            self.reason = "the codes aren't finite"
            return {name: torch.tensor(torch.nan, dtype=torch.float64) for name in self.names}
        scores = self.measured(codes, factors)
        if any(bool(scores[name].isnan()) for name in self.names):
            single = "z has a single dimension, or " if codes.shape[1] == 1 else ""
            self.reason = f"{single}too few of the factors vary, or too few examples share their values"
        return scores

    @abstractmethod
    def measured(self, codes: Float64[Tensor, "n d"], factors: Int64[Tensor, "n k"]) -> dict[str, Tensor]:
        """Return the scores by name, beside vectors with an entry for each factor."""


def gap(scores: Float64[Tensor, "d k"]) -> Float64[Tensor, " k"]:
    """Return how far each factor's best dimension is ahead of the second best, or of 0 if there is a single one."""
    first, second = torch.cat([scores, torch.zeros_like(scores[:1])]).topk(2, dim=0).values
    return first - second


def varying(factors: Int64[Tensor, "n k"]) -> list[int]:
    """Return the factors that have more than one value."""
    return [j for j, values in enumerate(factors.T) if len(values.unique()) > 1]


def thirds(n: int) -> tuple[Int64[Tensor, " a"], Int64[Tensor, " b"]]:
    """Return random positions of two thirds of n examples to learn from, and of a third to be judged on."""
    order = torch.randperm(n)
    return order[n // 3 :], order[: n // 3]
