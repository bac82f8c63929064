"""Affine maps that give q(z) mean 0 and covariance I (code normalisation; Rustamov 2019, arXiv 1901.03227)."""

from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

Normalization = Literal["diagonal", "cholesky", "zca"]

JITTER = 1e-6
"""The share of itself that is at least added to each variance, so that a singular covariance still has a root."""

ROUNDING = 4.0
"""The same in units of d times the rounding of a number: what sums over d dimensions can be off by."""

SMALLEST = 1e-12
"""What is added beside it: the covariance of a single point is 0."""


class Whitening(NamedTuple):
    """The map u -> matrix @ (u - centre), and its inverse z -> centre + inverse @ z.

    Attributes:
        centre: the mean of what is whitened.
        matrix: a root of the inverse covariance, C⁻¹ = matrixᵀ matrix.
        inverse: its inverse, C = inverse inverseᵀ.
    """

    centre: Float[Tensor, " d"]
    matrix: Float[Tensor, "d d"]
    inverse: Float[Tensor, "d d"]


def whitening(centre: Float[Tensor, " d"], covariance: Float[Tensor, "d d"], normalization: Normalization) -> Whitening:
    """Return the map that whitens a distribution with these moments, with gradient.

    Args:
        centre: its mean.
        covariance: its covariance C.
        normalization: ``diagonal`` scales each dimension and leaves correlations; ``cholesky`` multiplies by L⁻¹ with
            L Lᵀ = C; ``zca`` multiplies by C^(-1/2), the whitening map that moves points least.

    A covariance that isn't finite, or has no root, gives a map of nan, as any other arithmetic would.
    """
    identity = torch.eye(len(centre), dtype=covariance.dtype, device=covariance.device)
    share = max(JITTER, ROUNDING * len(centre) * torch.finfo(covariance.dtype).eps)
    covariance = covariance + torch.diag(share * covariance.diagonal() + SMALLEST)
    if normalization == "diagonal":
        scale = covariance.diagonal().sqrt()
        return Whitening(centre, torch.diag(1 / scale), torch.diag(scale))
    if normalization == "cholesky":
        root, failed = torch.linalg.cholesky_ex(covariance)
        root = torch.where(failed == 0, root, torch.nan)
        return Whitening(centre, torch.linalg.solve_triangular(root, identity, upper=False), root)
    matrix: Tensor = _InverseRoot.apply(covariance)
    return Whitening(centre, matrix, covariance @ matrix)


class _InverseRoot(torch.autograd.Function):
    """C^(-1/2) of a symmetric positive definite matrix.

    The gradient of ``torch.linalg.eigh`` is infinite where two eigenvalues are equal; that of C^(-1/2) is not. Its
    divided differences (Daleckii and Krein) are -1 / (a b (a + b)) for roots a, b of two eigenvalues.
    """

    @staticmethod
    def forward(ctx: Any, covariance: Tensor) -> Tensor:
        is_finite = covariance.isfinite().all()  # otherwise eigh raises an error
        values, vectors = torch.linalg.eigh(torch.where(is_finite, covariance, 0.0))
        smallest = torch.finfo(values.dtype).eps * values[-1]  # below it there is only rounding
        roots = torch.where(is_finite, values.clamp(min=smallest).sqrt(), torch.nan)
        ctx.save_for_backward(roots, vectors)
        return (vectors / roots) @ vectors.T

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        roots, vectors = ctx.saved_tensors
        (gradient,) = gradients
        differences = -1 / (roots * roots[:, None] * (roots + roots[:, None]))
        inner = vectors.T @ ((gradient + gradient.T) / 2) @ vectors
        return vectors @ (differences * inner) @ vectors.T
