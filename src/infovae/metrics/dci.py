"""Disentanglement, completeness and informativeness (Eastwood & Williams 2018, openreview.net/forum?id=By-7dz-AZ)."""

import math

import torch
from jaxtyping import Float64, Int64
from sklearn.ensemble import RandomForestClassifier
from torch import Tensor

from infovae.data.module import DataModule
from infovae.errors import ArgumentError, require_at_least
from infovae.metrics.factor_metric import FactorMetric, thirds, varying
from infovae.terminal.progress import progress


def importances(
    codes: Float64[Tensor, "n d"], factors: Int64[Tensor, "n k"], trees: int, smallest_leaf: float
) -> tuple[Float64[Tensor, "d j"], Float64[Tensor, " k"]]:
    """Return how much each dimension counts in predicting each factor, and how often the prediction is wrong.

    A forest that may split at any dimension learns to predict the value from two thirds of the examples. A dimension's
    importance is the decrease of Gini impurity at its splits, and importances sum to 1. The error rate is that on the
    remaining third. A factor with one value among the two thirds has an error of nan, and no column of importances.

    Leaves hold at least the fraction ``smallest_leaf`` of the examples. Smaller ones fit noise, and splits on noise
    count as importance; but a value rarer than this can't be predicted.
    """
    fit, judge = thirds(len(codes))
    varied = varying(factors[fit])
    importance = codes.new_zeros(codes.shape[1], len(varied))
    errors = codes.new_full((factors.shape[1],), torch.nan)
    seed = int(torch.randint(2**31, ()))
    for column, j in enumerate(progress(varied, "growing trees")):
        forest = RandomForestClassifier(trees, max_features=None, min_samples_leaf=smallest_leaf, random_state=seed)
        forest.fit(codes[fit].numpy(), factors[fit, j].numpy())
        importance[:, column] = torch.from_numpy(forest.feature_importances_)
        if len(judge):
            errors[j] = 1 - forest.score(codes[judge].numpy(), factors[judge, j].numpy())
    return importance, errors


def concentration(importance: Float64[Tensor, "a b"]) -> Float64[Tensor, ""]:
    """Return 1 - H(row) / log b, averaged over rows weighted by their sums.

    It is 1 if each row has one entry, and 0 if all entries are alike or 0. It is nan for fewer than two columns or no
    row. This is disentanglement if rows are dimensions of the code, and completeness if they are factors.
    """
    rows, columns = importance.shape
    if columns < 2 or not rows:
        return importance.new_tensor(torch.nan)
    weights = importance.sum(dim=1)
    shares = importance / torch.where(weights > 0, weights, 1.0).unsqueeze(1)
    concentrations = (1 - torch.special.entr(shares).sum(dim=1) / math.log(columns)).clamp_min(0)  # rounding
    total = weights.sum()
    return (weights * concentrations).sum() / torch.where(total > 0, total, 1.0)


class DCI(FactorMetric):
    """Disentanglement, completeness, and the error rate that the paper calls informativeness, with random forests.

    Disentanglement needs two factors that vary, completeness two dimensions, else nan. Errors are averaged over the
    factors; ``dci_error_by_factor`` holds each.

    Args:
        trees: of the forest that predicts a factor.
        smallest_leaf: see :func:`importances`.
    """

    names = ("dci_disentanglement", "dci_completeness", "dci_error")

    def __init__(self, data: DataModule, examples: int = 10000, trees: int = 30, smallest_leaf: float = 0.01) -> None:
        super().__init__(data, examples)
        require_at_least(1, trees=trees)
        if not 0 < smallest_leaf <= 0.5:
            raise ArgumentError("smallest_leaf", smallest_leaf, "fractions above 0, up to 0.5", "no tree")
        self.trees = trees
        self.smallest_leaf = smallest_leaf

    def measured(self, codes: Float64[Tensor, "n d"], factors: Int64[Tensor, "n k"]) -> dict[str, Tensor]:
        importance, errors = importances(codes, factors, self.trees, self.smallest_leaf)
        return {
            "dci_disentanglement": concentration(importance),
            "dci_completeness": concentration(importance.T),
            "dci_error": errors.nanmean(),
            "dci_error_by_factor": errors,
        }
