"""log det Cov[q(z)], the paper's measure of how far q(z) has drifted from the prior (Figure 2)."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from infovae.metrics.covariance import CovarianceMetric


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


class LogDetCovariance(CovarianceMetric):
    """log det Cov[q(z)], exact for diagonal Gaussian posteriors.

    The ideal is log det Cov[p(z)]: 0 for N(0, I) and for the default box of the uniform prior, and the sum over
    dimensions of ``prior.distribution().variance.log()`` for any uniform or Gaussian mixture prior, whose dimensions
    are uncorrelated. A vamp prior has no ideal but the covariance of its own samples.

    Fewer than two examples, or fewer than d + 1 of a deterministic posterior, give -inf.
    """

    def compute(self) -> dict[str, Tensor]:
        return {"log_det_covariance": log_det(self.covariance())}
