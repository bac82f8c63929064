"""Vary training images at random."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn import functional

from infovae.data.binarization import binarize
from infovae.errors import ArgumentError

ELASTIC_GRID = 4
"""How many random displacements an elastic deformation has in each direction; those between are interpolated."""


@dataclass(frozen=True)
class Augmentation:
    """Rotate, zoom, shift and deform each image at random, anew each time, and binarise some batches.

    Elastic deformations are those of Simard, Steinkraus, Platt (ICDAR 2003), from a coarse grid.

    Args:
        rotation: largest angle, in degrees, in both directions.
        zoom: largest fraction by which an image grows or shrinks.
        shift: largest fraction of height and width, in both directions.
        elastic: standard deviation of the displacements of a 4 x 4 grid, as a fraction of height and width.
        binarized: fraction of batches that are binarised, half of them at a threshold and half at random.

    Raises:
        ValueError: a number is out of its range.
    """

    rotation: float = 10.0
    zoom: float = 0.1
    shift: float = 0.07
    binarized: float = 0.0
    elastic: float = 0.0

    def __post_init__(self) -> None:
        for name, most in (("rotation", 180), ("zoom", 0.5), ("shift", 0.5), ("binarized", 1), ("elastic", 0.5)):
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise ArgumentError(name, value, f"values from 0 to {most:g}")

    def __call__(self, images: Float[Tensor, "n c h w"], generator: Generator) -> Float[Tensor, "n c h w"]:
        """Return a varied batch; pixels are in [0, 1], and the generator is on their device."""
        images = self._moved(images, generator)
        coin = torch.rand((), generator=generator, device=images.device).item()
        if coin < self.binarized:
            return binarize(images, "threshold" if coin < self.binarized / 2 else "stochastic", generator)
        return images

    def _moved(self, images: Tensor, generator: Generator) -> Tensor:
        angle, zoom, right, down = 2 * torch.rand(4, len(images), generator=generator, device=images.device) - 1
        angle = angle * math.radians(self.rotation)
        cosine, sine = angle.cos() / (1 + self.zoom * zoom), angle.sin() / (1 + self.zoom * zoom)
        # affine_grid measures in half images from the centre.
        across, along = 2 * self.shift * right, 2 * self.shift * down
        height, width = images.shape[2:]
        first = torch.stack([cosine, -sine * height / width, across], dim=1)
        second = torch.stack([sine * width / height, cosine, along], dim=1)
        grid = functional.affine_grid(torch.stack([first, second], dim=1), list(images.shape), align_corners=False)
        if self.elastic:
            size = (len(images), 2, ELASTIC_GRID, ELASTIC_GRID)
            coarse = torch.randn(size, generator=generator, device=images.device)
            fine = functional.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=True)
            grid = grid + 2 * self.elastic * fine.movedim(1, 3)
        return functional.grid_sample(images, grid, align_corners=False).clamp(0, 1)
