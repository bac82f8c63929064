"""Float64, for sums and differences that nearly cancel, on any device."""

import functools
from collections.abc import Callable

import torch
from jaxtyping import Float64, Shaped
from torch import Tensor

Change = Callable[[Tensor], Tensor]


def exact_device(device: torch.device) -> torch.device:
    """Return where float64 tensors of a computation are: on its device, or on the CPU for Apple's GPUs (``mps``).

    Metal has no float64.
    """
    return torch.device("cpu") if device.type == "mps" else device


def exact(x: Shaped[Tensor, "*shape"]) -> Float64[Tensor, "*shape"]:
    """Return a tensor in float64 and on :func:`exact_device`, with gradient."""
    return x.to(exact_device(x.device)).double()


def rounded(x: Shaped[Tensor, "*shape"], like: Tensor) -> Shaped[Tensor, "*shape"]:
    """Return a result in the precision and on the device of ``like``, in this order: a GPU may have no float64."""
    return x.to(like.dtype).to(like.device)


def keeping_exact(change: Change) -> Change:
    """Return a change of a module's tensors that leaves float64 ones where they are if the new device has none."""

    @functools.wraps(change)  # torchmetrics reads the name
    def changed(x: Tensor) -> Tensor:
        if x.dtype == torch.float64:
            device = change(torch.zeros((), device=x.device)).device
            if exact_device(device) != device:
                return x
        return change(x)

    return changed
