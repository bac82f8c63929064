"""Cov[q(z)], accumulated."""

import torch
from jaxtyping import Float64
from torch import Tensor

from infovae.codes import Codes
from infovae.metrics.metric import CodeMetric
from infovae.priors.prior import Prior


class CovarianceMetric(CodeMetric):
    """What measures Cov[q(z)], by the law of total covariance: exact for diagonal Gaussian posteriors.

        Cov[q(z)] = E[diag variance(x)] + Cov[mean(x)]

    In float64; the covariance of the means divides by n - 1, as np.cov does.
    """

    count: Tensor
    mean_sum: Tensor
    outer_sum: Tensor
    variance_sum: Tensor

    def __init__(self, prior: Prior) -> None:
        super().__init__(prior)
        latent_dim = prior.latent_dim
        zeros = torch.zeros(latent_dim, dtype=torch.float64)
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("mean_sum", zeros.clone(), dist_reduce_fx="sum")
        self.add_state("outer_sum", torch.zeros(latent_dim, latent_dim, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("variance_sum", zeros.clone(), dist_reduce_fx="sum")

    def update(self, codes: Codes) -> None:
        mean = codes.mean.double()
        self.count += len(mean)
        self.mean_sum += mean.sum(dim=0)
        self.outer_sum += mean.T @ mean
        self.variance_sum += codes.variance.double().sum(dim=0)

    def between(self) -> Float64[Tensor, "d d"]:
        """Cov[mean(x)]; of fewer than two examples, zeros."""
        if self.count < 2:
            return torch.zeros_like(self.outer_sum)
        mean = self.mean_sum / self.count
        return (self.outer_sum - self.count * torch.outer(mean, mean)) / (self.count - 1)

    def covariance(self) -> Float64[Tensor, "d d"]:
        """Cov[q(z)]; of fewer than two examples, zeros."""
        if self.count < 2:
            return torch.zeros_like(self.outer_sum)
        return self.between() + torch.diag(self.variance_sum / self.count)
