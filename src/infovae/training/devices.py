"""The device that a command runs on, and settings that make it faster."""

import ctypes
import os

import torch

from infovae.errors import UserError

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's ``mallopt`` (malloc.h)."""


def chosen_device(name: str) -> torch.device:
    """Return the device of that name, and refuse one that isn't there; ``auto`` is a GPU if there is one."""
    if name == "auto":
        gpus = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        return torch.device(next((gpu for gpu, there in gpus.items() if there), "cpu"))
    try:
        return torch.zeros(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        accepted = "auto, cpu, and cuda or mps where there is a GPU"
        raise UserError("not there", key="device", value=name, accepted=accepted) from error


def remember_missing_gpu() -> None:
    """Set CUDA_VISIBLE_DEVICES to nothing on a machine without a GPU.

    torch's optimisers ask at each step whether there is a GPU. Under Lightning's setting each answer loads NVIDIA's
    library, or looks for it, anew: measured, 3 % of a step of the main job.
    """
    if not torch.cuda.is_available():
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


def keep_freed_memory() -> None:
    """On the CPU, keep memory that a step frees for the next step instead of returning it to the system.

    glibc returns blocks as large as the convolutions' activations and gradients, and each step gets them anew, page by
    page. Measured: 5,000 to 15,000 page faults and 6 to 15 % of a step of ``network=conv``. The process keeps its
    greatest size so far. Nothing changes under another C library, or if the environment configures malloc.
    """
    configured = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is None or configured or torch.cuda.is_available():
        return
    mallopt(MMAP_THRESHOLD, 2**30)
    mallopt(TRIM_THRESHOLD, 2**31 - 1)
