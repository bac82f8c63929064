"""Eigenvalues of Cov[q(z)]: which directions of the latent space q(z) fills too much, and which too little."""

import torch
from jaxtyping import Float64
from torch import Tensor

from infovae.metrics.covariance import CovarianceMetric


def spectrum(covariance: Float64[Tensor, "d d"]) -> Float64[Tensor, " d"]:
    """Eigenvalues of a covariance matrix, ascending; what rounding leaves of a 0 is 0; nan where it holds a nan."""
    if not covariance.isfinite().all():
        return torch.full_like(covariance.diagonal(), torch.nan)
    eigenvalues = torch.linalg.eigvalsh(covariance)
    noise = len(eigenvalues) * torch.finfo(torch.float64).eps * eigenvalues.abs().max()
    return torch.where(eigenvalues <= noise, 0.0, eigenvalues)


class CovarianceSpectrum(CovarianceMetric):
    """The eigenvalues of Cov[q(z)], ascending; smallest, largest and their ratio, each ideally 1 for N(0, I).

    A singular covariance has an infinite condition number, one of zeros (or fewer than two examples) none: nan.
    """

    def compute(self) -> dict[str, Tensor]:
        eigenvalues = spectrum(self.covariance())
        smallest, largest = eigenvalues[0], eigenvalues[-1]
        return {
            "covariance_smallest_eigenvalue": smallest,
            "covariance_largest_eigenvalue": largest,
            "covariance_condition_number": largest / smallest,
            "covariance_eigenvalues": eigenvalues,
        }
