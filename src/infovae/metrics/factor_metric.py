"""What measures codes against the known factors of variation of the examples."""

from abc import abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from infovae.codes import Codes
from infovae.data.module import ImageData
from infovae.errors import UserError
from infovae.metrics.metric import Metric
from infovae.model import Observed


class FactorMetric(Metric):
    """Gathers E[z|x] and the factors of the first examples that a split gives, and measures them on the CPU.

    A code that isn't finite makes every score nan, and so does a split without examples.

    Args:
        data: the images, whose factors must be known.
        examples: at most so many are used.

    Raises:
        UserError: the data set knows no factors.
    """

    names: ClassVar[tuple[str, ...]]
    """Of the scores."""

    mean: list[Tensor]
    factors: list[Tensor]

    def __init__(self, data: ImageData, examples: int) -> None:
        super().__init__()
        if any(part.factors is None for part in data.splits.values() if len(part.images)):
            raise UserError(
                f"metrics: {type(self).__name__} needs known factors of variation, and this data set knows none; "
                "accepted: one that does, as data=sprites"
            )
        if examples < 1:
            raise ValueError(f"examples={examples}: invalid; accepted: whole numbers of at least 1")
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
        if not sum(map(len, self.mean)) or not all(bool(part.isfinite().all()) for part in self.mean):
            self.reason = "the codes aren't finite, or the split has no examples"
            return {name: torch.tensor(torch.nan, dtype=torch.float64) for name in self.names}
        return self.measured(torch.cat(list(self.mean)).double().cpu(), torch.cat(list(self.factors)).cpu())

    @abstractmethod
    def measured(self, codes: Float64[Tensor, "n d"], factors: Int64[Tensor, "n k"]) -> dict[str, Tensor]:
        """The scores by name, and vectors with an entry for each factor beside them."""


def gap(scores: Float64[Tensor, "d k"]) -> Float64[Tensor, " k"]:
    """How far each factor's best dimension is ahead of its second best; a single one, of a dimension that scores 0."""
    first, second = torch.cat([scores, torch.zeros_like(scores[:1])]).topk(2, dim=0).values
    return first - second


def varying(factors: Int64[Tensor, "n k"]) -> list[int]:
    """The factors that have more than one value."""
    return [j for j, values in enumerate(factors.T) if len(values.unique()) > 1]


def thirds(n: int) -> tuple[Int64[Tensor, " a"], Int64[Tensor, " b"]]:
    """Positions of two thirds of n examples to learn from, and of a third to be judged on, drawn at random."""
    order = torch.randperm(n)
    return order[n // 3 :], order[: n // 3]
