"""The Frechet distance between normal laws fitted to features (Heusel et al. 2017; here a classifier's features)."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from infovae.exact import exact


def normal_frechet_distance(
    mean_x: Float64[Tensor, " k"],
    covariance_x: Float64[Tensor, "k k"],
    mean_y: Float64[Tensor, " k"],
    covariance_y: Float64[Tensor, "k k"],
) -> Float64[Tensor, ""]:
    """Return ||m_x - m_y||^2 + tr(C_x + C_y - 2 (C_x C_y)^(1/2)), the squared 2-Wasserstein distance of normal laws.

    The root of the product has the same trace as the root of C_x^(1/2) C_y C_x^(1/2), which is symmetric: its
    eigenvalues are real, even where a covariance is singular.
    """
    eigenvalues, vectors = torch.linalg.eigh(covariance_x)
    root = (vectors * eigenvalues.clamp_min(0).sqrt()) @ vectors.T  # rounding below 0 counts as 0
    product = root @ covariance_y @ root
    cross = torch.linalg.eigvalsh((product + product.T) / 2).clamp_min(0).sqrt().sum()
    return (mean_x - mean_y).square().sum() + covariance_x.trace() + covariance_y.trace() - 2 * cross


def frechet_distance(x: Float[Tensor, "n k"], y: Float[Tensor, "m k"]) -> Float64[Tensor, ""]:
    """Return the distance between the normal laws of two samples' means and covariances, in squared feature units.

    It is too large, by a term that falls as 1 / n and 1 / m: compare values of equal sample sizes only. It is nan for
    fewer than two examples on either side, and where an example isn't finite.
    """
    if min(len(x), len(y)) < 2 or not (x.isfinite().all() and y.isfinite().all()):
        return exact(x.new_tensor(torch.nan))
    x, y = exact(x), exact(y)
    moments = [part for sample in (x, y) for part in (sample.mean(dim=0), sample.T.cov().view(x.shape[1], x.shape[1]))]
    return normal_frechet_distance(*moments)
