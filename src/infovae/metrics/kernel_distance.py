"""The kernel distance between features (Binkowski et al. 2018, "KID", with a classifier of one's own)."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from infovae.metrics.averages import mean_and_standard_error


def polynomial_kernel(x: Float64[Tensor, "n k"], y: Float64[Tensor, "m k"]) -> Float64[Tensor, "n m"]:
    """(<x, y> / k + 1)^3."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def polynomial_mmd_squared(x: Float64[Tensor, "n k"], y: Float64[Tensor, "m k"]) -> Float64[Tensor, ""]:
    """MMD^2 under :func:`polynomial_kernel`, unbiased, so below 0 at times; nan with fewer than two on either side."""

    def within(sample: Tensor) -> Tensor:
        pairs = polynomial_kernel(sample, sample)
        n = len(sample)
        return (pairs.sum() - pairs.trace()) / (n * (n - 1)) if n > 1 else pairs.new_tensor(torch.nan)

    return within(x) + within(y) - 2 * polynomial_kernel(x, y).mean()


def kernel_distance(
    x: Float[Tensor, "n k"], y: Float[Tensor, "m k"], subset_size: int = 1000
) -> tuple[Float64[Tensor, ""], Float64[Tensor, ""]]:
    """The average of MMD^2 over as many disjoint pairs of subsets as there are, and its standard error.

    Disjoint subsets are independent, so the error is honest, which that of subsets drawn anew from one sample isn't.
    Samples that fill one pair at most have no error: nan.

    Args:
        x: in random order.
        y: in random order.
        subset_size: examples of each sample in a pair of subsets.
    """
    pairs = min(len(x), len(y)) // subset_size
    x, y = x.double(), y.double()
    if pairs < 2:
        return mean_and_standard_error(polynomial_mmd_squared(x[:subset_size], y[:subset_size])[None])
    used = pairs * subset_size
    subsets = zip(x[:used].split(subset_size), y[:used].split(subset_size), strict=True)
    return mean_and_standard_error(torch.stack([polynomial_mmd_squared(a, b) for a, b in subsets]))
