"""Averages with standard errors."""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float64
from torch import Tensor


def mean_and_standard_error(values: Float64[Tensor, " m"]) -> tuple[Float64[Tensor, ""], Float64[Tensor, ""]]:
    """Return the average of independent values and its standard error, which is nan for a single value."""
    error = values.std() / math.sqrt(len(values)) if len(values) > 1 else values.new_tensor(torch.nan)
    return values.mean(), error


def averaged(terms: Mapping[str, Float64[Tensor, " m"]]) -> dict[str, Float64[Tensor, ""]]:
    """Return the average of each term by its name, and its standard error as ``NAME_standard_error``."""
    found: dict[str, Tensor] = {}
    for name, values in terms.items():
        found[name], found[f"{name}_standard_error"] = mean_and_standard_error(values)
    return found
