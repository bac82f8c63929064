"""Whether a data set fits in memory."""

from typing import Literal

import psutil
import torch

Streaming = Literal["auto", "always", "never"]
"""The options of ``data.streaming``: a set is held where it fits, or never, or always."""


def is_held(key: str, nbytes: int, streaming: Streaming) -> bool:
    """Whether images that lie in files are to be read into memory, before any is read.

    Args:
        key: what to name in a refusal, as ``data.root=PATH``.
        nbytes: what they take.
        streaming: what is configured.

    Raises:
        OSError: they are to be held and don't fit; says how much they take and how much there is.
    """
    if streaming == "never":
        check_fits(key, nbytes, ", or data.streaming=auto")
    return streaming == "never" or (streaming == "auto" and _needed(nbytes) <= free_memory())


def check_fits(key: str, nbytes: int, otherwise: str = "") -> None:
    """Refuse a set that is too large to be held, before it is read.

    Args:
        key: what to name in the refusal, as ``data.root=PATH``.
        nbytes: what it takes.
        otherwise: what else would be accepted.

    Raises:
        OSError: says how much it takes and how much there is.
    """
    needed, free = _needed(nbytes), free_memory()
    if needed > free:
        raise OSError(
            f"{key}: its images take {gibibytes(needed)} while they are split, and {gibibytes(free)} of memory are "
            f"free; accepted: sets that fit in memory{otherwise}"
        )


def fits_on(device: torch.device, nbytes: int) -> bool:
    """Whether images in memory can be held on a device too; half of what is free there is left to the networks."""
    return device.type != "cuda" or 2 * nbytes <= torch.cuda.mem_get_info(device)[0]


def free_memory() -> int:
    """Bytes that can be had without swapping."""
    free: int = psutil.virtual_memory().available
    return free


def gibibytes(nbytes: int) -> str:
    """For people to read."""
    return f"{nbytes / 2**30:.2g} GiB" if nbytes < 100 * 2**30 else f"{nbytes / 2**30:.0f} GiB"


def _needed(nbytes: int) -> int:
    # Splitting a set by seed copies it.
    return 2 * nbytes
