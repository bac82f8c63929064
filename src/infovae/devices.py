"""Which device a command runs on."""

import os

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


def remember_missing_gpu() -> None:
    """Where there is no GPU, say so where torch looks first.

    Its optimisers ask at each step whether there is one, and by the way that Lightning chooses for that, each answer
    loads NVIDIA's library, or looks for it, anew: 3 % of a step of the main job.
    """
    if not torch.cuda.is_available():
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
