"""Layers for examples of 1, 2 or 3 spatial dimensions: signals, images, volumes."""

from collections.abc import Sequence

from torch import nn

from infovae.errors import ArgumentError

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


def check_spatial(shape: Sequence[int], least: int = 1, most: int = 3) -> int:
    """Return the number of spatial dimensions of an example of shape (c, *s).

    Raises:
        ArgumentError: the network isn't for so many.
    """
    dimensions = len(shape) - 1
    if not least <= dimensions <= most:
        suited = "1 spatial dimension" if most == 1 else f"{least} to {most} spatial dimensions"
        suited = f"{most} spatial dimensions" if least == most > 1 else suited
        raise ArgumentError("shape", list(shape), f"examples of {suited}, or network=mlp for any shape")
    return dimensions
