"""log det Cov[q(z)], the paper's measure of how far q(z) has drifted from the prior (Figure 2)."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from infovae.codes import Codes
from infovae.metrics.metric import CodeMetric
from infovae.priors.prior import Prior


def log_det(covariance: Float[Tensor, "d d"]) -> Float64[Tensor, ""]:
    """log det of a covariance matrix in float64; -inf where it is singular, nan where it holds a nan.

    The matrix is first scaled to a unit diagonal, so that singular means singular whatever the units.
    """
    covariance = covariance.double()
    variances = covariance.diagonal()
    if covariance.isnan().any():
        return covariance.new_tensor(torch.nan)
    if (variances <= 0).any():
        return covariance.new_tensor(-torch.inf)
    scale = variances.rsqrt()
    eigenvalues = torch.linalg.eigvalsh(covariance * scale[:, None] * scale)
    # A correlation matrix of d dimensions is known to about d * eps: eigenvalues under that are 0.
    if eigenvalues[0] <= len(eigenvalues) * torch.finfo(torch.float64).eps:
        return covariance.new_tensor(-torch.inf)
    return eigenvalues.log().sum() + variances.log().sum()


class LogDetCovariance(CodeMetric):
    """log det Cov[q(z)] by the law of total covariance, exact for diagonal Gaussian posteriors.

        Cov[q(z)] = E[diag variance(x)] + Cov[mean(x)]

    The ideal is log det Cov[p(z)]: 0 for N(0, I) and for the default box of the uniform prior, and the sum over
    dimensions of ``prior.distribution().variance.log()`` for any uniform or Gaussian mixture prior, whose dimensions
    are uncorrelated. A vamp prior has no ideal but the covariance of its own samples.

    In float64; the covariance of the means divides by n - 1, as np.cov does. Fewer than two
    examples, or fewer than d + 1 of a deterministic posterior, give -inf.
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

    def covariance(self) -> Float64[Tensor, "d d"]:
        """Cov[q(z)]; of fewer than two examples, zeros."""
        if self.count < 2:
            return torch.zeros_like(self.outer_sum)
        mean = self.mean_sum / self.count
        between = (self.outer_sum - self.count * torch.outer(mean, mean)) / (self.count - 1)
        return between + torch.diag(self.variance_sum / self.count)

    def compute(self) -> dict[str, Tensor]:
        return {"log_det_covariance": log_det(self.covariance())}
