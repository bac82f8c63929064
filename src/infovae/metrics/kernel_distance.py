"""The kernel distance between features (Binkowski et al. 2018, "KID"; here a classifier's features)."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from infovae.exact import exact
from infovae.metrics.averages import mean_and_standard_error


def polynomial_kernel(x: Float64[Tensor, "n k"], y: Float64[Tensor, "m k"]) -> Float64[Tensor, "n m"]:
    """Return (<x, y> / k + 1)^3."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def polynomial_mmd_squared(x: Float64[Tensor, "n k"], y: Float64[Tensor, "m k"]) -> Float64[Tensor, ""]:
    """Return the unbiased MMD^2 under :func:`polynomial_kernel`; nan for fewer than two points on either side."""

    def within(sample: Tensor) -> Tensor:
        pairs = polynomial_kernel(sample, sample)
        n = len(sample)
        return (pairs.sum() - pairs.trace()) / (n * (n - 1))  # 0 / 0 for a single point

    return within(x) + within(y) - 2 * polynomial_kernel(x, y).mean()


def kernel_distance(
    x: Float[Tensor, "n k"], y: Float[Tensor, "m k"], subset_size: int = 1000
) -> tuple[Float64[Tensor, ""], Float64[Tensor, ""]]:
    """Return the average of MMD^2 over disjoint pairs of subsets, as many as there are, and its standard error.

    Disjoint subsets are independent, so the error is right. Subsets drawn again and again from one sample would give an
    error that is too small. Samples that fill only one pair have no error: nan.

    Args:
        x, y: in random order.
        subset_size: examples of each sample in a pair of subsets.
    """
    pairs = min(len(x), len(y)) // subset_size
    x, y = exact(x), exact(y)
    subsets = [
        (x[start : start + subset_size], y[start : start + subset_size])
        for start in range(0, max(1, pairs) * subset_size, subset_size)
    ]
    return mean_and_standard_error(torch.stack([polynomial_mmd_squared(a, b) for a, b in subsets]))
