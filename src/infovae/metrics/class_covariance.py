"""Cov[z] of each class by itself: how tightly q(z) packs the classes, and whether one has collapsed."""

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from infovae.codes import Codes
from infovae.metrics.log_det_covariance import log_det
from infovae.metrics.metric import Metric
from infovae.model import Observed


def total_covariance(mean: Float[Tensor, "n d"], variance: Float[Tensor, "n d"]) -> Float64[Tensor, "d d"]:
    """E[diag variance(x)] + Cov[mean(x)] of n equally likely examples, the covariance of their mixture."""
    centred = mean.double() - mean.double().mean(dim=0)
    return torch.diag(variance.double().mean(dim=0)) + centred.T @ centred / len(mean)


class ClassCovariance(Metric):
    """log det Cov[q(z|class)] of each class, and the share of q(z)'s variance that lies between classes.

    ``log_det_covariance_by_class`` is a vector; -inf for a class of a single example with a deterministic posterior,
    nan for one without examples. ``between_class_variance`` is tr Cov[E[z|class]] / tr Cov[z]: 0 where a class says
    nothing of the mean code, 1 where it says all; nan where the codes don't vary.
    """

    mean: list[Tensor]
    variance: list[Tensor]
    labels: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in ("mean", "variance", "labels"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def observe(self, observed: Observed) -> None:
        self.update(observed.codes, observed.labels)

    def update(self, codes: Codes, labels: Int64[Tensor, " n"]) -> None:
        """Take in a batch's codes and classes, whole numbers of at least 0."""
        self.mean.append(codes.mean)
        self.variance.append(codes.variance)
        self.labels.append(labels)

    def compute(self) -> dict[str, Tensor]:
        mean, variance, labels = (torch.cat(list(part)) for part in (self.mean, self.variance, self.labels))
        by_class, within = [], mean.new_zeros((), dtype=torch.float64)
        for label in range(int(labels.max()) + 1):
            chosen = labels == label
            if not chosen.any():
                by_class.append(within.new_tensor(torch.nan))
                continue
            covariance = total_covariance(mean[chosen], variance[chosen])
            by_class.append(log_det(covariance))
            within += covariance.trace() * chosen.sum() / len(labels)
        total = total_covariance(mean, variance).trace()
        return {
            "log_det_covariance_by_class": torch.stack(by_class),
            "between_class_variance": torch.where(total > 0, 1 - within / total, torch.nan),
        }
