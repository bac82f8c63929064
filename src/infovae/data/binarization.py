"""Grey pixels to black and white. The options of ``data.binarization``."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

Binarization = Literal["none", "threshold", "stochastic"]


def binarize(
    images: Float[Tensor, "n c h w"], how: Binarization, generator: torch.Generator
) -> Float[Tensor, "n c h w"]:
    """``none`` leaves pixels as they are, ``threshold`` cuts at one half, ``stochastic`` tosses a coin for each.

    Args:
        images: pixels in [0, 1].
        how: the option.
        generator: on the images' device; used by ``stochastic`` alone.
    """
    if how == "threshold":
        return (images >= 0.5).to(images.dtype)
    if how == "stochastic":
        return torch.bernoulli(images, generator=generator)
    return images
