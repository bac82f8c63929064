"""Disentanglement, completeness, informativeness (Eastwood & Williams 2018, openreview.net/forum?id=By-7dz-AZ)."""

import math

import torch
from jaxtyping import Float64, Int64
from sklearn.ensemble import RandomForestClassifier
from torch import Tensor

from infovae.data.module import ImageData
from infovae.metrics.factor_metric import FactorMetric, thirds, varying
from infovae.terminal.progress import progress


def importances(
    codes: Float64[Tensor, "n d"], factors: Int64[Tensor, "n k"], trees: int, smallest_leaf: float
) -> tuple[Float64[Tensor, "d j"], Float64[Tensor, " k"]]:
    """How much each dimension counts in predicting each factor, and how often the prediction is wrong.

    A forest that may split at any dimension predicts the value, from two thirds of the examples; a dimension counts
    for the decrease of Gini impurity at its splits, 1 over all dimensions. The rate of errors is that on the third
    left. It is nan for a factor that has one value among the two thirds, whose importances are left out.

    Args:
        codes: E[z|x].
        factors: as classes.
        trees: of each forest.
        smallest_leaf: which fraction of the examples a leaf has at least. Small leaves fit noise, whose splits then
            count too; a value rarer than that can't be predicted.
    """
    fit, judge = thirds(len(codes))
    told = varying(factors[fit])
    importance = codes.new_zeros(codes.shape[1], len(told))
    errors = codes.new_full((factors.shape[1],), torch.nan)
    seed = int(torch.randint(2**31, ()))
    for column, j in enumerate(progress(told, "growing trees")):
        forest = RandomForestClassifier(trees, max_features=None, min_samples_leaf=smallest_leaf, random_state=seed)
        forest.fit(codes[fit].numpy(), factors[fit, j].numpy())
        importance[:, column] = torch.from_numpy(forest.feature_importances_)
        if len(judge):
            errors[j] = 1 - forest.score(codes[judge].numpy(), factors[judge, j].numpy())
    return importance, errors


def concentration(importance: Float64[Tensor, "a b"]) -> Float64[Tensor, ""]:
    """1 - H(row) / log b, averaged over the rows by what they count: 1 if each row has one entry, 0 if all are alike.

    Disentanglement, if a row is a dimension of the code, and completeness, if it is a factor. Where nothing counts, 0;
    with a single column, nan.
    """
    columns = importance.shape[1]
    if columns < 2:
        return importance.new_tensor(torch.nan)
    weights = importance.sum(dim=1)
    shares = importance / torch.where(weights > 0, weights, 1.0).unsqueeze(1)
    concentrations = 1 - torch.special.entr(shares).sum(dim=1) / math.log(columns)
    total = weights.sum()
    return (weights * concentrations).sum() / torch.where(total > 0, total, 1.0)


class DCI(FactorMetric):
    """Disentanglement, completeness, and the rate of errors that is called informativeness, with random forests.

    Disentanglement needs two factors that vary, completeness two dimensions: nan without. Errors are averaged over the
    factors, and given for each as ``dci_error_by_factor``.

    Args:
        data: the images.
        examples: at most so many are used.
        trees: of the forest that predicts a factor.
        smallest_leaf: see :func:`importances`.
    """

    names = ("dci_disentanglement", "dci_completeness", "dci_error")

    def __init__(self, data: ImageData, examples: int = 10000, trees: int = 30, smallest_leaf: float = 0.01) -> None:
        super().__init__(data, examples)
        if trees < 1:
            raise ValueError(f"trees={trees}: invalid; accepted: whole numbers of at least 1")
        if not 0 < smallest_leaf <= 0.5:
            raise ValueError(f"smallest_leaf={smallest_leaf:g}: invalid; accepted: fractions above 0, up to 0.5")
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
