"""Turn grey pixels black and white."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

Binarization = Literal["none", "threshold", "stochastic"]


def binarize(images: Float[Tensor, "n c *s"], how: Binarization, generator: torch.Generator) -> Float[Tensor, "n c *s"]:
    """Return the images with pixels 0 or 1, or unchanged if ``how`` is ``none``.

    Args:
        images: pixels in [0, 1]; examples of another kind if ``how`` is ``none``.
        how: ``threshold`` rounds at one half; ``stochastic`` draws each pixel as a coin with that probability of 1.
        generator: for ``stochastic``, on the device of the images.
    """
    if how == "threshold":
        return (images >= 0.5).to(images.dtype)
    if how == "stochastic":
        return torch.bernoulli(images, generator=generator)
    return images
