"""Separated attribute predictability (Kumar, Sattigeri, Balakrishnan 2018, arXiv 1711.00848, section 3)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float64, Int64
from sklearn.metrics import recall_score
from sklearn.multiclass import OneVsOneClassifier
from sklearn.svm import LinearSVC
from torch import Tensor

from infovae.data.module import ImageData
from infovae.metrics.factor_metric import FactorMetric, gap, thirds, varying
from infovae.terminal.progress import progress


def squared_correlations(codes: Float64[Tensor, "n d"], values: Int64[Tensor, " n"]) -> Float64[Tensor, " d"]:
    """R^2 of the regression of a factor that varies on each dimension by itself; 0 of one that never moves."""
    x = codes - codes.mean(dim=0)
    y = values.double() - values.double().mean()
    explained = (x.T @ y).square()
    possible = x.square().sum(dim=0) * y.square().sum()
    return torch.where(possible > 0, explained / possible, 0.0)


def accuracies(
    codes: Float64[Tensor, "n d"],
    values: Int64[Tensor, " n"],
    fit: Int64[Tensor, " a"],
    judge: Int64[Tensor, " b"],
) -> Float64[Tensor, " d"]:
    """Balanced accuracy with which linear SVMs tell a factor's values apart by each dimension alone.

    An SVM for each pair of values, since ordered values can't be told one from all others by one threshold. A dimension
    that never moves scores 0, as in the paper, not chance.

    Args:
        codes: E[z|x].
        values: of a factor, as classes.
        fit: the examples that SVMs learn from; with at least two values.
        judge: the examples they are judged on.
    """
    scores = codes.new_zeros(codes.shape[1])
    true = values[judge]
    deviations = codes[fit].std(dim=0)
    standardised = (codes - codes[fit].mean(dim=0)) / torch.where(deviations > 0, deviations, 1.0)
    for i, dimension in enumerate(standardised.split(1, dim=1)):
        if deviations[i] > 0:
            machine = OneVsOneClassifier(LinearSVC(class_weight="balanced", dual=False))
            machine.fit(dimension[fit].numpy(), values[fit].numpy())
            told = machine.predict(dimension[judge].numpy())
            scores[i] = recall_score(true, told, labels=true.unique(), average="macro")
    return scores


def predictability_gaps(
    codes: Float64[Tensor, "n d"], factors: Int64[Tensor, "n k"], categorical: Sequence[int]
) -> Float64[Tensor, " k"]:
    """How far the dimension that predicts a factor best is ahead of the second best; nan of a factor with one value.

    Args:
        codes: E[z|x].
        factors: as classes, or as evenly spaced values.
        categorical: which are classes; these are judged by accuracy on a third of the examples, the others by R^2.
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
    """The mean of :func:`predictability_gaps` over the factors that vary, and all of them as ``sap_by_factor``.

    Args:
        data: the images.
        examples: at most so many are used.
        categorical: which factors are classes, by position from 0.
    """

    names = ("sap",)

    def __init__(self, data: ImageData, examples: int = 10000, categorical: Sequence[int] = (0,)) -> None:
        super().__init__(data, examples)
        for position in categorical:
            if position < 0:
                raise ValueError(f"categorical={list(categorical)}: invalid; accepted: positions of factors, from 0")
        self.categorical = tuple(categorical)

    def measured(self, codes: Float64[Tensor, "n d"], factors: Int64[Tensor, "n k"]) -> dict[str, Tensor]:
        gaps = predictability_gaps(codes, factors, self.categorical)
        return {"sap": gaps.nanmean(), "sap_by_factor": gaps}
