"""Cov[z] of each class: how tightly q(z) packs the classes, and whether one has collapsed."""

from functools import reduce

import torch
from jaxtyping import Int64
from torch import Tensor

from infovae.codes import Codes
from infovae.metrics.covariance import UNKNOWN, Moments
from infovae.metrics.log_det_covariance import log_det
from infovae.metrics.metric import Metric
from infovae.model import Observed


class ClassCovariance(Metric):
    """log det Cov[q(z|class)] of each class, and the share of q(z)'s variance that lies between classes.

    Covariances of means divide by n - 1, as everywhere here. ``log_det_covariance_by_class`` is a vector with an entry
    for each class: nan for a class of fewer than two examples, -inf for one that is singular.

    ``between_class_variance`` estimates tr Cov[E[z|class]] / tr Cov[z]: 0 where the class says nothing of the mean
    code, 1 where it says everything. Both variances are free of bias (the pooled one divides by n - classes), so the
    share can fall below 0 by chance. It is nan where no class has two examples or the codes don't vary.
    """

    def __init__(self) -> None:
        super().__init__()
        self.moments: dict[int, Moments] = {}

    def reset(self) -> None:
        super().reset()
        self.moments = {}

    def observe(self, observed: Observed) -> None:
        self.update(observed.codes, observed.labels)

    def update(self, codes: Codes, labels: Int64[Tensor, " n"]) -> None:
        """Take in a batch's codes and classes, whole numbers of at least 0."""
        for label in labels.unique().tolist():
            own = Moments.of(codes.take(labels == label))
            self.moments[label] = self.moments[label].merged(own) if label in self.moments else own

    def compute(self) -> dict[str, Tensor]:
        whole = reduce(Moments.merged, self.moments.values())
        by_class = whole.centre.new_full((max(self.moments) + 1,), torch.nan)
        for label, own in self.moments.items():
            by_class[label] = log_det(own.covariance(), own.noise())
        pooled = sum(own.scatter.trace() for own in self.moments.values()) / (whole.n - len(self.moments))
        total = whole.covariance().trace()
        if whole.within.isnan().any():
            self.reason = UNKNOWN
        elif by_class.isnan().any():
            self.reason = "a covariance needs two examples, and a class has fewer"
        elif not total > 0:
            self.reason = "the codes don't vary"
        share = 1 - (whole.within.trace() + pooled) / total
        return {"log_det_covariance_by_class": by_class, "between_class_variance": share}
