"""Which device a command runs on."""

import torch

from infovae.errors import UserError


def chosen_device(name: str) -> torch.device:
    """``auto`` is a GPU where there is one.

    Raises:
        UserError: no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.zeros(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device={name}: not there; accepted are auto, cpu, and cuda where there is a GPU") from error
