"""log det Cov[q(z)]: how far q(z) has drifted from the prior (the paper's Figure 2)."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from infovae.exact import exact
from infovae.metrics.covariance import CovarianceMetric

ROUNDING = 1e-14
"""The share of the largest eigenvalue, for each dimension, that rounding in float64 may leave of a 0."""


def log_det(covariance: Float[Tensor, "d d"], noise: Float64[Tensor, " d"] | None = None) -> Float64[Tensor, ""]:
    """Return log det of a covariance matrix in float64; -inf where it is singular, nan where it holds a nan.

    The matrix is first scaled to a unit diagonal, so the units of the dimensions don't matter. It is singular if its
    smallest eigenvalue, so scaled, is one that rounding can leave of a 0.

    Args:
        covariance: the matrix.
        noise: the variance that rounding of the codes added to each dimension, if known.
    """
    covariance = exact(covariance)
    variances = covariance.diagonal()
    if covariance.isnan().any():
        return covariance.new_tensor(torch.nan)
    if (variances <= 0).any():
        return covariance.new_tensor(-torch.inf)
    scale = variances.rsqrt()
    eigenvalues = torch.linalg.eigvalsh(covariance * scale[:, None] * scale)
    share = ROUNDING if noise is None else max(ROUNDING, float((noise / variances).max()))
    if eigenvalues[0] <= len(eigenvalues) * share:
        return covariance.new_tensor(-torch.inf)
    return eigenvalues.log().sum() + variances.log().sum()


class LogDetCovariance(CovarianceMetric):
    """log det Cov[q(z)], exact for diagonal Gaussian posteriors.

    The ideal is log det Cov[p(z)]: 0 for N(0, I) and for the default box of the uniform prior. For any uniform or
    Gaussian mixture prior it is the sum of ``prior.distribution().variance.log()``, since dimensions are uncorrelated.
    For a vamp prior it is that of the covariance of the prior's own samples.

    A deterministic posterior needs more than d examples, else -inf. A single example gives nan.
    """

    def compute(self) -> dict[str, Tensor]:
        moments = self.moments()
        return {"log_det_covariance": log_det(moments.covariance(), moments.noise())}
