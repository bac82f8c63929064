"""Separated attribute predictability (Kumar, Sattigeri, Balakrishnan 2018, arXiv 1711.00848, section 3)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float64, Int64
from sklearn.metrics import recall_score
from sklearn.multiclass import OneVsOneClassifier
from sklearn.svm import LinearSVC
from torch import Tensor

from infovae.data.module import DataModule
from infovae.errors import ArgumentError
from infovae.exact import exact
from infovae.metrics.factor_metric import FactorMetric, gap, thirds, varying
from infovae.terminal.progress import progress


def squared_correlations(codes: Float64[Tensor, "n d"], values: Int64[Tensor, " n"]) -> Float64[Tensor, " d"]:
    """Return R^2 of a factor that varies regressed on each dimension alone; 0 for a dimension that never moves."""
    x = codes - codes.mean(dim=0)
    y = exact(values) - exact(values).mean()
    explained = (x.T @ y).square()
    possible = x.square().sum(dim=0) * y.square().sum()
    return torch.where(possible > 0, explained / possible, 0.0)


def accuracies(
    codes: Float64[Tensor, "n d"],
    values: Int64[Tensor, " n"],
    fit: Int64[Tensor, " a"],
    judge: Int64[Tensor, " b"],
) -> Float64[Tensor, " d"]:
    """Return the balanced accuracy with which linear SVMs classify a factor's values from each dimension alone.

    They learn from the examples ``fit``, of at least two values, and are judged on others. Each pair of values has an
    SVM, since one threshold can't separate a middle value from all others. A dimension that never moves scores 0, as in
    the paper, not chance.
    """
    scores = codes.new_zeros(codes.shape[1])
    true = values[judge]
    deviations = codes[fit].std(dim=0)
    standardised = (codes - codes[fit].mean(dim=0)) / torch.where(deviations > 0, deviations, 1.0)
    for i, dimension in enumerate(standardised.split(1, dim=1)):
        if deviations[i] > 0:
            machine = OneVsOneClassifier(LinearSVC(class_weight="balanced", dual=False))
            machine.fit(dimension[fit].numpy(), values[fit].numpy())
            predicted = machine.predict(dimension[judge].numpy())
            scores[i] = recall_score(true, predicted, labels=true.unique(), average="macro")
    return scores


def predictability_gaps(
    codes: Float64[Tensor, "n d"], factors: Int64[Tensor, "n k"], categorical: Sequence[int]
) -> Float64[Tensor, " k"]:
    """Return how far the best predictor of each factor is ahead of the second best; nan for a factor with one value.

    Categorical factors are classes, judged by accuracy on a third of the examples; others are evenly spaced values,
    judged by R^2.
    """
    fit, judge = thirds(len(codes))
    gaps = codes.new_full((factors.shape[1],), torch.nan)
    for j in progress(varying(factors), "predicting factors"):
        values = factors[:, j]
        if j not in categorical:
            gaps[j] = gap(squared_correlations(codes, values).unsqueeze(1))
        elif len(judge) and len(values[fit].unique()) > 1:
            gaps[j] = gap(accuracies(codes, values, fit, judge).unsqueeze(1))
    return gaps


class SAP(FactorMetric):
    """The mean of :func:`predictability_gaps` over the factors that vary, and each factor's as ``sap_by_factor``.

    Args:
        categorical: positions, from 0, of the factors that are classes.
    """

    names = ("sap",)

    def __init__(self, data: DataModule, examples: int = 10000, categorical: Sequence[int] = (0,)) -> None:
        super().__init__(data, examples)
        if any(position < 0 for position in categorical):
            raise ArgumentError("categorical", list(categorical), "positions of factors, from 0", "a position below 0")
        self.categorical = tuple(categorical)

    def measured(self, codes: Float64[Tensor, "n d"], factors: Int64[Tensor, "n k"]) -> dict[str, Tensor]:
        gaps = predictability_gaps(codes, factors, self.categorical)
        return {"sap": gaps.nanmean(), "sap_by_factor": gaps}
