"""What images training sees besides those of its data set."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn import functional

from infovae.data.binarization import binarize


@dataclass(frozen=True)
class Augmentation:
    """Turns, zooms and shifts each image a little, anew each time, and may binarise some batches.

    Args:
        rotation: degrees, at most, either way.
        zoom: share by which an image grows or shrinks, at most.
        shift: share of height and width, at most, either way.
        binarized: share of the batches that are binarised, half of them at a threshold and half by coins.

    Raises:
        ValueError: a number out of its range.
    """

    rotation: float = 10.0
    zoom: float = 0.1
    shift: float = 0.07
    binarized: float = 0.0

    def __post_init__(self) -> None:
        for name, most in (("rotation", 180), ("zoom", 0.5), ("shift", 0.5), ("binarized", 1)):
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise ValueError(f"{name}={value:g}: invalid; accepted: values from 0 to {most:g}")

    def __call__(self, images: Float[Tensor, "n c h w"], generator: Generator) -> Float[Tensor, "n c h w"]:
        """The images of one batch, with pixels in [0, 1], altered; the generator is on their device."""
        images = self._moved(images, generator)
        coin = torch.rand((), generator=generator, device=images.device).item()
        if coin < self.binarized:
            return binarize(images, "threshold" if coin < self.binarized / 2 else "stochastic", generator)
        return images

    def _moved(self, images: Tensor, generator: Generator) -> Tensor:
        angle, zoom, right, down = 2 * torch.rand(4, len(images), generator=generator, device=images.device) - 1
        angle = angle * math.radians(self.rotation)
        cosine, sine = angle.cos() / (1 + self.zoom * zoom), angle.sin() / (1 + self.zoom * zoom)
        # In units of half an image, where affine_grid has its origin.
        across, along = 2 * self.shift * right, 2 * self.shift * down
        height, width = images.shape[2:]
        first = torch.stack([cosine, -sine * height / width, across], dim=1)
        second = torch.stack([sine * width / height, cosine, along], dim=1)
        grid = functional.affine_grid(torch.stack([first, second], dim=1), list(images.shape), align_corners=False)
        return functional.grid_sample(images, grid, align_corners=False).clamp(0, 1)
