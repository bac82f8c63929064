"""Eigenvalues of Cov[q(z)]: the directions that q(z) fills too much, and those it fills too little."""

import torch
from jaxtyping import Float64
from torch import Tensor

from infovae.metrics.covariance import CovarianceMetric
from infovae.metrics.log_det_covariance import ROUNDING


def spectrum(covariance: Float64[Tensor, "d d"], noise: Float64[Tensor, " d"] | None = None) -> Float64[Tensor, " d"]:
    """Return the eigenvalues of a covariance matrix, ascending; nan where the matrix holds a nan or infinity.

    An eigenvalue that rounding can leave of a 0 becomes 0.

    Args:
        covariance: the matrix.
        noise: the variance that rounding of the codes added to each dimension, if known.
    """
    if not covariance.isfinite().all():
        return torch.full_like(covariance.diagonal(), torch.nan)
    eigenvalues = torch.linalg.eigvalsh(covariance)
    floor = ROUNDING * eigenvalues[-1]
    if noise is not None:
        floor = torch.maximum(floor, noise.max())
    return torch.where(eigenvalues <= len(eigenvalues) * floor, 0.0, eigenvalues)


class CovarianceSpectrum(CovarianceMetric):
    """The eigenvalues of Cov[q(z)], ascending; the smallest, the largest and their ratio, each ideally 1 for N(0, I).

    A singular covariance has an infinite condition number. Codes that are all alike have none, and a single example
    has no eigenvalues: nan.
    """

    def compute(self) -> dict[str, Tensor]:
        moments = self.moments()
        eigenvalues = spectrum(moments.covariance(), moments.noise())
        if eigenvalues[-1] == 0:
            self.reason = "the codes don't vary"
        return {
            "covariance_smallest_eigenvalue": eigenvalues[0],
            "covariance_largest_eigenvalue": eigenvalues[-1],
            "covariance_condition_number": eigenvalues[-1] / eigenvalues[0],
            "covariance_eigenvalues": eigenvalues,
        }
