"""Float64, for sums and differences that nearly cancel, on any device."""

import torch
from jaxtyping import Float64, Shaped
from torch import Tensor


def exact_device(device: torch.device) -> torch.device:
    """Return the device of the float64 tensors of a computation: the same, or the CPU for Apple's GPUs."""
    return torch.device("cpu") if device.type == "mps" else device


def exact(x: Shaped[Tensor, "*shape"]) -> Float64[Tensor, "*shape"]:
    """Return a tensor in float64 and on :func:`exact_device`, with gradient."""
    return x.to(exact_device(x.device)).double()
