"""Semi-supervised classification on E[z|x]: how far a few labels go with this code.

This is the paper's measure of a code's usefulness, after M1 of Kingma et al. 2014 (arXiv 1406.5298). A classifier
learns from the codes of a few labelled training examples and is judged on another split.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float64
from sklearn.base import ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import SVC, LinearSVC
from torch import Tensor

from infovae.data.splits import balanced_subset
from infovae.errors import ArgumentError, require_at_least
from infovae.metrics.averages import averaged
from infovae.metrics.training_codes import Classes, Points, TrainingCodesMetric
from infovae.terminal.progress import progress

NEIGHBOURS = 5
Unlabelled = Float64[np.ndarray, "m d"]
NO_CLASS = -1
"""The class that scikit-learn reads as unlabelled."""


def linear_svm(codes: Points, labels: Classes, unlabelled: Unlabelled) -> ClassifierMixin:
    """Fit a linear support vector machine, one class against the rest."""
    return LinearSVC(random_state=0).fit(codes, labels)


def nearest_neighbours(codes: Points, labels: Classes, unlabelled: Unlabelled) -> ClassifierMixin:
    """Fit a vote of the 5 nearest labelled codes."""
    return KNeighborsClassifier(min(NEIGHBOURS, len(codes))).fit(codes, labels)


def self_trained_svm(codes: Points, labels: Classes, unlabelled: Unlabelled) -> ClassifierMixin | None:
    """Fit a support vector machine with a Gaussian kernel that also learns from the codes it is sure of.

    It stands in for the paper's transductive SVM. Codes whose class has a calibrated probability of at least 0.95 join
    the labelled ones, at most ten times over. None where a class has a single label, which allows no calibration.
    """
    fewest = int(np.unique(labels, return_counts=True)[1].min())
    if fewest < 2:
        return None
    sure = CalibratedClassifierCV(SVC(), cv=min(3, fewest), ensemble=False)
    together = np.concatenate([labels, np.full(len(unlabelled), NO_CLASS)])
    return SelfTrainingClassifier(sure, threshold=0.95).fit(np.concatenate([codes, unlabelled]), together)


METHODS: dict[str, Callable[[Points, Classes, Unlabelled], ClassifierMixin | None]] = {
    "linear_svm": linear_svm,
    "nearest_neighbours": nearest_neighbours,
    "self_trained_svm": self_trained_svm,
}


class FewLabels(TrainingCodesMetric):
    """Error rates of classifiers that saw a few labels, averaged over draws of the labels, with standard errors.

    Their names are ``error_METHOD_with_COUNT_labels``. Labels are drawn class by class in turn. A rate is nan where the
    training split has fewer examples than that, or a single class, or a code that isn't finite.

    Args:
        labels: numbers of labelled examples, each measured by itself.
        draws: how many draws of labelled examples; the standard error is over these.
        unlabelled: how many further training examples the self-trained SVM gets.
    """

    def __init__(self, labels: Sequence[int] = (100, 300, 1000), draws: int = 5, unlabelled: int = 2000) -> None:
        super().__init__()
        if not labels or min(labels) < 2:
            raise ArgumentError("labels", list(labels), "lists of whole numbers of at least 2", "nothing to learn from")
        require_at_least(1, draws=draws)
        require_at_least(0, unlabelled=unlabelled)
        self.counts = tuple(labels)
        self.draws = draws
        self.unlabelled = unlabelled

    def compute(self) -> dict[str, Tensor]:
        codes, classes = self.training_split()
        held_out, truth = self.measured_split()
        usable = np.isfinite(codes).all() and np.isfinite(held_out).all() and len(classes.unique()) > 1
        draws = [(count, draw) for count in self.counts for draw in range(self.draws)]
        names = {(method, count): f"error_{method}_with_{count}_labels" for count in self.counts for method in METHODS}
        errors: dict[str, list[float]] = {name: [] for name in names.values()}
        for count, draw in progress(draws, "few labels"):
            if not usable or count > len(codes):
                unusable = "the training split has one class, or codes aren't finite"
                self.reason = f"the training split has {len(codes)} examples" if usable else unusable
                continue
            # Seeded by the draw alone, so that the examples don't depend on what else is measured.
            generator = torch.Generator().manual_seed(draw)
            chosen = balanced_subset(classes, count, generator).numpy()
            rest = np.setdiff1d(torch.randperm(len(codes), generator=generator)[: self.unlabelled].numpy(), chosen)
            for method, fit in METHODS.items():
                classifier = fit(codes[chosen], classes.numpy()[chosen], codes[rest])
                if classifier is not None:
                    errors[names[method, count]].append(float((classifier.predict(held_out) != truth).mean()))
        rates = {name: torch.tensor(found or [torch.nan], dtype=torch.float64) for name, found in errors.items()}
        return averaged(rates)
