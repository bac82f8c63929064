"""Which dimension stands still when a factor does (Kim & Mnih 2018, arXiv 1802.05983, section 4)."""

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from infovae.data.module import ImageData
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
    """How often each dimension varied least, in proportion, among examples that share the value of a factor.

    Args:
        codes: E[z|x].
        factors: of the same examples.
        fixed: the factors that are fixed, drawn evenly.
        variance: of each dimension over all examples; 0 for those that get no vote.
        count: how many votes.
        group: how many examples make a vote.
    """
    dimensions = codes.shape[1]
    cast = torch.zeros(len(fixed), dimensions, dtype=torch.int64)
    for position, shared, draws in drawn_factors(factors, fixed, count, group * dimensions):
        within = codes[shared.alike(shared.draw(draws), group)].var(dim=1)
        proportions = torch.where(variance > 0, within / variance, torch.inf)
        cast[position] += proportions.argmin(dim=1).bincount(minlength=dimensions)
    return cast


def majority_accuracy(learned: Int64[Tensor, "f d"], judged: Int64[Tensor, "f d"]) -> Float64[Tensor, ""]:
    """How often the factor for which a dimension got most votes is the one for which it gets others."""
    factor_of = learned.argmax(dim=0, keepdim=True)
    return judged.gather(0, factor_of).sum().double() / judged.sum()


class FactorVAEScore(FactorMetric):
    """Accuracy of the majority vote; chance is 1 over the number of factors.

    Votes to learn from come from two thirds of the examples, votes to be judged by from the third left: from the same
    examples, what those with one value have in common by chance would count as knowledge. Factors with one value, or
    whose values no two examples share, are left out; of fewer than two factors there is nothing to tell: nan. If no
    dimension is over the threshold, all votes are for the first, which is chance.

    Args:
        data: the images.
        examples: at most so many are used.
        group: how many examples that share a value make a vote.
        learned: votes to learn from.
        judged: votes to be judged by.
        threshold: dimensions get no vote whose Var_x[E[z|x]] isn't over it.
    """

    names = ("factor_vae_score",)

    def __init__(
        self,
        data: ImageData,
        examples: int = 60000,
        group: int = 64,
        learned: int = 10000,
        judged: int = 5000,
        threshold: float = 0.0025,
    ) -> None:
        super().__init__(data, examples)
        if group < 2:
            raise ValueError(f"group={group}: invalid; accepted: whole numbers of at least 2")
        for name, count in (("learned", learned), ("judged", judged)):
            if count < 1:
                raise ValueError(f"{name}={count}: invalid; accepted: whole numbers of at least 1")
        if not threshold >= 0:
            raise ValueError(f"threshold={threshold:g}: invalid; accepted: numbers of at least 0")
        self.group = group
        self.learned = learned
        self.judged = judged
        self.threshold = threshold

    def measured(self, codes: Float64[Tensor, "n d"], factors: Int64[Tensor, "n k"]) -> dict[str, Tensor]:
        fit, judge = thirds(len(codes))
        fixed = sorted(fixable(factors[fit]) & fixable(factors[judge]))
        if len(fixed) < 2:
            return {"factor_vae_score": codes.new_tensor(torch.nan)}
        variance = codes.var(dim=0)
        variance = torch.where(variance > self.threshold, variance, 0.0)
        learned = votes(codes[fit], factors[fit], fixed, variance, self.learned, self.group)
        judged = votes(codes[judge], factors[judge], fixed, variance, self.judged, self.group)
        return {"factor_vae_score": majority_accuracy(learned, judged)}
