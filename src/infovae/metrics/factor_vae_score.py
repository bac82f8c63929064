"""The FactorVAE score: which dimension varies least when a factor is fixed (Kim & Mnih 2018, arXiv 1802.05983)."""

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from infovae.data.module import DataModule
from infovae.errors import ArgumentError, require_at_least
from infovae.exact import exact
from infovae.metrics.factor_metric import FactorMetric, thirds
from infovae.metrics.fixed_factor import drawn_factors, fixable


def votes(
    codes: Float64[Tensor, "n d"],
    factors: Int64[Tensor, "n k"],
    fixed: list[int],
    variance: Float64[Tensor, " d"],
    count: int,
    group: int,
) -> Int64[Tensor, "f d"]:
    """Return how often each dimension varied least, relative to its variance, among examples that share a factor.

    There are ``count`` votes of ``group`` examples each; ``fixed`` are the factors, drawn evenly. ``variance`` is that
    of each dimension over all examples, and 0 for dimensions that get no vote.
    """
    dimensions = codes.shape[1]
    cast = torch.zeros(len(fixed), dimensions, dtype=torch.int64)
    for position, shared, draws in drawn_factors(factors, fixed, count, group * dimensions):
        within = codes[shared.alike(shared.draw(draws), group)].var(dim=1)
        proportions = torch.where(variance > 0, within / variance, torch.inf)
        cast[position] += proportions.argmin(dim=1).bincount(minlength=dimensions)
    return cast


def majority_accuracy(learned: Int64[Tensor, "f d"], judged: Int64[Tensor, "f d"]) -> Float64[Tensor, ""]:
    """Return how often a vote comes from the factor that cast most of the learned votes for its dimension."""
    factor_of = learned.argmax(dim=0, keepdim=True)
    return exact(judged.gather(0, factor_of).sum()) / judged.sum()


class FactorVAEScore(FactorMetric):
    """Accuracy of the majority vote; chance is 1 over the number of factors.

    Votes to learn from come from two thirds of the examples, votes to be judged on from the remaining third. If both
    came from the same examples, a chance likeness of a few would count as knowledge. Factors with one value, or whose
    values no two examples share, are left out; fewer than two factors give nan. If no dimension is above the threshold,
    all votes go to the first, which is chance.

    Args:
        group: how many examples with one value make a vote.
        learned: how many votes to learn from.
        judged: how many votes to be judged on.
        threshold: dimensions with a smaller Var_x[E[z|x]] get no vote.
    """

    names = ("factor_vae_score",)

    def __init__(
        self,
        data: DataModule,
        examples: int = 60000,
        group: int = 64,
        learned: int = 10000,
        judged: int = 5000,
        threshold: float = 0.0025,
    ) -> None:
        super().__init__(data, examples)
        require_at_least(2, group=group)
        require_at_least(1, learned=learned, judged=judged)
        if not threshold >= 0:
            raise ArgumentError("threshold", threshold, "numbers of at least 0", "not a variance")
        self.group = group
        self.learned = learned
        self.judged = judged
        self.threshold = threshold

    def measured(self, codes: Float64[Tensor, "n d"], factors: Int64[Tensor, "n k"]) -> dict[str, Tensor]:
        fit, judge = thirds(len(codes))
        fixed = fixable(factors[fit], factors[judge])
        if len(fixed) < 2:
            return {"factor_vae_score": codes.new_tensor(torch.nan)}
        variance = codes.var(dim=0)
        variance = torch.where(variance > self.threshold, variance, 0.0)
        learned = votes(codes[fit], factors[fit], fixed, variance, self.learned, self.group)
        judged = votes(codes[judge], factors[judge], fixed, variance, self.judged, self.group)
        return {"factor_vae_score": majority_accuracy(learned, judged)}
