"""The Frechet distance between features, had they normal laws (Heusel et al. 2017, with a classifier of one's own)."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor


def square_root(matrix: Float64[Tensor, "k k"]) -> Float64[Tensor, "k k"]:
    """Of a symmetric matrix without negative eigenvalues; those that rounding made negative are 0."""
    eigenvalues, vectors = torch.linalg.eigh(matrix)
    return (vectors * eigenvalues.clamp_min(0).sqrt()) @ vectors.T


def normal_frechet_distance(
    mean_x: Float64[Tensor, " k"],
    covariance_x: Float64[Tensor, "k k"],
    mean_y: Float64[Tensor, " k"],
    covariance_y: Float64[Tensor, "k k"],
) -> Float64[Tensor, ""]:
    """||m_x - m_y||^2 + tr(C_x + C_y - 2 (C_x C_y)^(1/2)), the squared 2-Wasserstein distance of two normal laws.

    The product's root has the trace of the root of C_x^(1/2) C_y C_x^(1/2), which is symmetric and, singular or not,
    has only real eigenvalues.
    """
    root = square_root(covariance_x)
    product = root @ covariance_y @ root
    cross = torch.linalg.eigvalsh((product + product.T) / 2).clamp_min(0).sqrt().sum()
    return (mean_x - mean_y).square().sum() + covariance_x.trace() + covariance_y.trace() - 2 * cross


def frechet_distance(x: Float[Tensor, "n k"], y: Float[Tensor, "m k"]) -> Float64[Tensor, ""]:
    """Between the normal laws of two samples' means and covariances, in the square of the features' units.

    Too large by a term that falls as 1 / n and 1 / m, so compare values of equal sample sizes. Fewer than two examples
    on either side, or any that isn't finite, give nan.
    """
    if min(len(x), len(y)) < 2 or not (x.isfinite().all() and y.isfinite().all()):
        return x.new_tensor(torch.nan, dtype=torch.float64)
    x, y = x.double(), y.double()
    moments = [part for sample in (x, y) for part in (sample.mean(dim=0), sample.T.cov().view(x.shape[1], x.shape[1]))]
    return normal_frechet_distance(*moments)
