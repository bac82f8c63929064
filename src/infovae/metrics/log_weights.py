"""log p(x) from importance weights w_k with E w = p(x)."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float64
from torch import Tensor
from torch.distributions import Distribution

from infovae.metrics.averages import mean_and_standard_error

Decode = Callable[[Tensor], Distribution]
"""Codes, (b, d), to p(x|z) with batch shape (b,)."""


class LogLikelihood(NamedTuple):
    """log p(x) of n examples, in nats.

    Attributes:
        value: the estimate.
        standard_error: the standard deviation over other draws of the weights, to first order; nan for one weight. The
            estimate's mean is also off by about half the square of this.
        effective_sample_size: (sum w)^2 / sum w^2, from 1 to the number of weights.
    """

    value: Float64[Tensor, " n"]
    standard_error: Float64[Tensor, " n"]
    effective_sample_size: Float64[Tensor, " n"]


def log_mean_weight(log_weight: Float64[Tensor, "k n"]) -> LogLikelihood:
    """Return log (1/k) sum_k w_k of each example: below log E w on average (Jensen), and ever less so as k grows."""
    k = len(log_weight)
    value = log_weight.logsumexp(dim=0) - math.log(k)
    relative = (log_weight - value).exp()
    error = relative.std(dim=0) / math.sqrt(k) if k > 1 else torch.full_like(value, torch.nan)
    return LogLikelihood(value, error, k / relative.square().mean(dim=0))


def bits_per_dimension(nats: Tensor, dimensions: int) -> Tensor:
    """Return -log p(x) in bits per pixel and channel, from log p(x) in nats."""
    return -nats / (math.log(2) * dimensions)


def summarise(parts: Sequence[LogLikelihood], name: str, dimensions: int) -> dict[str, Tensor]:
    """Return averages over n images, in several batches, by name.

    ``NAME`` in nats, with ``NAME_standard_error`` over images and ``NAME_images``, their number n.
    ``NAME_monte_carlo_error`` is the standard deviation over other draws of the weights for the same images. Beside
    them stand ``NAME_bits_per_dimension`` with its standard error and ``NAME_effective_sample_size``.

    Args:
        parts: the estimates of each batch.
        name: of the numbers.
        dimensions: pixels times channels.
    """
    estimate = LogLikelihood(*map(torch.cat, zip(*parts, strict=True)))
    value, error = mean_and_standard_error(estimate.value)
    n = len(estimate.value)
    return {
        name: value,
        f"{name}_standard_error": error,
        f"{name}_images": value.new_tensor(n),
        f"{name}_monte_carlo_error": estimate.standard_error.square().sum().sqrt() / n,
        f"{name}_bits_per_dimension": bits_per_dimension(value, dimensions),
        f"{name}_bits_per_dimension_standard_error": -bits_per_dimension(error, dimensions),
        f"{name}_effective_sample_size": estimate.effective_sample_size.mean(),
    }
