"""The beta-VAE score: predict which factor pairs share (Higgins et al. 2017, openreview.net/forum?id=Sy2fzU9gl)."""

import torch
from jaxtyping import Float64, Int64
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from infovae.data.module import DataModule
from infovae.errors import require_at_least
from infovae.metrics.factor_metric import FactorMetric, thirds
from infovae.metrics.fixed_factor import drawn_factors, fixable


def mean_differences(
    codes: Float64[Tensor, "n d"], factors: Int64[Tensor, "n k"], fixed: list[int], count: int, pairs: int
) -> tuple[Float64[Tensor, "m d"], Int64[Tensor, " m"]]:
    """Return the mean |z - z'| over pairs of examples that share the value of a factor, and the factor of each mean.

    There are ``count`` means over ``pairs`` pairs each; ``fixed`` are the factors, drawn evenly.
    """
    means, shares = [], []
    dimensions = codes.shape[1]
    for position, shared, draws in drawn_factors(factors, fixed, count, pairs * dimensions):
        examples = shared.draw(draws * pairs)
        differences = (codes[examples] - codes[shared.partners(examples)]).abs()
        means.append(differences.view(draws, pairs, dimensions).mean(dim=1))
        shares.append(torch.full((draws,), position))
    return torch.cat(means), torch.cat(shares)


class BetaVAEScore(FactorMetric):
    """Accuracy of a logistic regression on the differences; chance is 1 over the number of factors.

    Differences are scaled to unit variance, so the scale of the code doesn't change the effect of regularisation. Pairs
    to learn from come from two thirds of the examples, pairs to be judged on from the remaining third. Factors with one
    value, or whose values no two examples share, are left out; fewer than two factors give nan.

    Args:
        pairs: how many pairs make a mean difference.
        learned: how many mean differences to learn from.
        judged: how many mean differences to be judged on.
    """

    names = ("beta_vae_score",)

    def __init__(
        self, data: DataModule, examples: int = 60000, pairs: int = 64, learned: int = 10000, judged: int = 5000
    ) -> None:
        super().__init__(data, examples)
        require_at_least(1, pairs=pairs, learned=learned, judged=judged)
        self.pairs = pairs
        self.learned = learned
        self.judged = judged

    def measured(self, codes: Float64[Tensor, "n d"], factors: Int64[Tensor, "n k"]) -> dict[str, Tensor]:
        fit, judge = thirds(len(codes))
        fixed = fixable(factors[fit], factors[judge])
        if len(fixed) < 2:
            return {"beta_vae_score": codes.new_tensor(torch.nan)}
        learned, labels = mean_differences(codes[fit], factors[fit], fixed, self.learned, self.pairs)
        judged, shares = mean_differences(codes[judge], factors[judge], fixed, self.judged, self.pairs)
        classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        classifier.fit(learned.numpy(), labels.numpy())
        accuracy = classifier.score(judged.numpy(), shares.numpy())
        return {"beta_vae_score": codes.new_tensor(accuracy)}
