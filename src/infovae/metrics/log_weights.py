"""log p(x) from importance weights w_k with E w = p(x)."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float64
from torch import Tensor
from torch.distributions import Distribution

Decode = Callable[[Tensor], Distribution]
"""Codes, (b, d), to p(x|z) with batch shape (b,)."""


class LogLikelihood(NamedTuple):
    """log p(x) of n examples, in nats.

    Attributes:
        value: the estimate.
        standard_error: what drawing other weights would move it by, to first order; nan for one weight. The mean of
            the estimate is off by about half its square, too.
        effective_sample_size: (sum w)^2 / sum w^2, from 1 to the number of weights.
    """

    value: Float64[Tensor, " n"]
    standard_error: Float64[Tensor, " n"]
    effective_sample_size: Float64[Tensor, " n"]


def log_mean_weight(log_weight: Float64[Tensor, "k n"]) -> LogLikelihood:
    """log (1/k) sum_k w_k of each example: below log E w on average (Jensen), and ever less so as k grows."""
    k = len(log_weight)
    value = log_weight.logsumexp(dim=0) - math.log(k)
    relative = (log_weight - value).exp()
    error = relative.std(dim=0) / math.sqrt(k) if k > 1 else torch.full_like(value, torch.nan)
    return LogLikelihood(value, error, k / relative.square().mean(dim=0))
