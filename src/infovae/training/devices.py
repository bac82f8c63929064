"""Which device a command runs on, and how it is made use of."""

import ctypes
import os

import torch

from infovae.errors import UserError

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Of glibc's ``mallopt`` (malloc.h)."""


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
        raise UserError(f"device={name}: not there; accepted: auto, cpu, and cuda where there is a GPU") from error


def remember_missing_gpu() -> None:
    """Where there is no GPU, say so where torch looks first.

    Its optimisers ask at each step whether there is one, and by the way that Lightning chooses for that, each answer
    loads NVIDIA's library, or looks for it, anew: 3 % of a step of the main job.
    """
    if not torch.cuda.is_available():
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


def keep_freed_memory() -> None:
    """On the CPU, keep what a step frees for the next one instead of giving it back to the system.

    glibc gives back blocks as large as the convolutions' activations and gradients, and each step then gets the same
    memory anew, page by page: 5,000 to 15,000 page faults, 6 to 15 % of a step of ``network=conv``. The process keeps
    its greatest size so far. With another C library, or where malloc has been told otherwise, nothing is changed.
    """
    told = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is None or told or torch.cuda.is_available():
        return
    mallopt(MMAP_THRESHOLD, 2**30)
    mallopt(TRIM_THRESHOLD, 2**31 - 1)
