"""Decide whether a data set fits in memory."""

from typing import Any, Literal

import psutil
import torch

from infovae.errors import ArgumentError

Streaming = Literal["auto", "always", "never"]
"""Whether images are streamed from where they lie: if they don't fit in memory, always, or never."""


def is_held(argument: str, place: str, nbytes: int, streaming: Streaming) -> bool:
    """Return whether to read images into memory, rather than to stream them from their files.

    Raises:
        ArgumentError: ``streaming`` is ``never`` and the images don't fit; see :func:`check_fits`.
    """
    if streaming == "never":
        check_fits(argument, place, nbytes, ", or streaming=auto")
    return streaming == "never" or (streaming == "auto" and 2 * nbytes <= free_memory())  # splitting a set copies it


def check_fits(argument: str, value: Any, nbytes: int, otherwise: str = "") -> None:
    """Refuse a set that is too large for memory, before it is read.

    Args:
        argument, value: what the error names.
        nbytes: size of the examples.
        otherwise: what else would be accepted.

    Raises:
        ArgumentError: says how large the examples are and how much memory is free.
    """
    needed, free = gibibytes(2 * nbytes), free_memory()
    if 2 * nbytes > free:
        why = f"its examples take {needed} while they are split, and {gibibytes(free)} of memory are free"
        raise ArgumentError(argument, value, f"sets that fit in memory{otherwise}", why)


def fits_on(device: torch.device, nbytes: int) -> bool:
    """Return whether a device has room for images in half of its free memory; the networks need the other half."""
    return device.type != "cuda" or 2 * nbytes <= torch.cuda.mem_get_info(device)[0]


def free_memory() -> int:
    """Return how many bytes can be allocated without swapping."""
    return psutil.virtual_memory().available


def gibibytes(nbytes: int) -> str:
    """Return a size as text for people."""
    return f"{nbytes / 2**30:.2g} GiB" if nbytes < 100 * 2**30 else f"{nbytes / 2**30:.0f} GiB"
