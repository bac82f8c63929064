"""The shape of the tail of importance weights: whether to trust them (Vehtari et al. 2024, arXiv 1507.02646)."""

import math

import torch
from jaxtyping import Float64
from torch import Tensor

PRIOR_SHAPE, PRIOR_WEIGHT = 0.5, 10
"""The authors' weak prior on the shape: as if ten more tail weights had shape 0.5."""


def pareto_threshold(k: int) -> float:
    """Return the shape above which k importance weights are unreliable (section 3.2.4 there)."""
    return min(1 - 1 / math.log10(k), 0.7)


def generalized_pareto_shape(excess: Float64[Tensor, " m"]) -> Float64[Tensor, ""]:
    """Return the shape of a generalized Pareto distribution, fitted to a sample (Zhang & Stephens 2009).

    The posterior mean of the other parameter, over a grid and under a weak prior; the shape follows from it. It is
    infinite where the excesses differ by more than float64 can hold.

    Args:
        excess: over the threshold, ascending and positive.
    """
    m = len(excess)
    grid = 30 + int(math.sqrt(m))
    steps = torch.arange(1, grid + 1, dtype=torch.float64, device=excess.device) - 0.5
    quartile = excess[int(m / 4 + 0.5) - 1]
    if quartile == 0:
        return excess.new_tensor(torch.inf)
    rate = 1 / excess[-1] + (1 - (grid / steps).sqrt()) / (3 * quartile)
    shapes = torch.log1p(-rate[:, None] * excess).mean(dim=1)
    profile = m * ((-rate / shapes).log() - shapes)  # but for a constant
    return torch.log1p(-(profile.softmax(dim=0) @ rate) * excess).mean()


def pareto_k(log_weight: Float64[Tensor, "k n"]) -> Float64[Tensor, " n"]:
    """Return k-hat, the shape of the tail of each example's k importance weights.

    The tail are the largest min(k / 5, 3 sqrt(k)) weights. Moments of order 1 / k-hat and above are infinite, so above
    0.5 the weights have no variance and their standard error says little; above 0.7 no feasible number of weights
    helps. It is nan for fewer than 21 weights and where one is nan or all are 0, and 0 where the largest are equal.
    """
    k, n = log_weight.shape
    tail = math.ceil(min(0.2 * k, 3 * math.sqrt(k)))
    if tail < 5:
        return log_weight.new_full((n,), torch.nan)
    ordered = (log_weight - log_weight.amax(dim=0)).sort(dim=0).values
    shapes = []
    for column in ordered.T:  # nan throughout where all weights are 0
        if column.isnan().any():
            shapes.append(column.new_tensor(torch.nan))
            continue
        cut = column[-tail - 1]
        above = column[column > cut]
        if len(above) < 5:
            shapes.append(above.new_zeros(()))
            continue
        fitted = generalized_pareto_shape(above.exp() - cut.exp())
        shapes.append((len(above) * fitted + PRIOR_WEIGHT * PRIOR_SHAPE) / (len(above) + PRIOR_WEIGHT))
    return torch.stack(shapes)
