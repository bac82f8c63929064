"""Averages with standard errors."""

import math

import torch
from jaxtyping import Float64
from torch import Tensor


def mean_and_standard_error(values: Float64[Tensor, " m"]) -> tuple[Float64[Tensor, ""], Float64[Tensor, ""]]:
    """Return the average of independent values and its standard error, which is nan for a single value."""
    error = values.std() / math.sqrt(len(values)) if len(values) > 1 else values.new_tensor(torch.nan)
    return values.mean(), error
