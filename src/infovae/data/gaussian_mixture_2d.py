"""A toy: points in the plane from a mixture of Gaussians on a circle."""

import math

import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

from infovae.data.examples import DataSet, Examples
from infovae.errors import ArgumentError, require_at_least

CIRCLE = 0.3
"""Radius of the circle of means, in the unit square that pixels span."""


def gaussian_mixture_2d(
    size: int = 10_000, components: int = 8, scale: float = 0.02, test_size: int = 2000, seed: int = 1
) -> DataSet:
    """Return points as grey images of 1 x 2 pixels: the horizontal coordinate, then the vertical one.

    The mixture lies in the unit square, centred at (1/2, 1/2). Images are bytes, so coordinates are rounded to
    multiples of 1/255. The rare points outside the square land on its edge. The label is the component.

    Args:
        size: number of training examples.
        components: number of components, equally likely.
        scale: standard deviation of each component, where a side of the square is 1.
        test_size: number of test examples.
        seed: of the points; separate from the run's seed, so that all runs see the same data.

    Raises:
        ArgumentError: a split is empty, there is no component, or bytes or the square can't hold the scale.
    """
    require_at_least(1, size=size, components=components, test_size=test_size)
    # A step of one byte is at most half a standard deviation, and the edge at least four away from every mean.
    if not 2 / 255 <= scale <= (0.5 - CIRCLE) / 4:
        margin = f"{(0.5 - CIRCLE) / 4} (a quarter of the margin)"
        raise ArgumentError("scale", scale, f"numbers from {2 / 255:.4f} (two steps of a byte) to {margin}")
    generator = torch.Generator().manual_seed(seed)
    train, test = (_sample(n, components, scale, generator) for n in (size, test_size))
    return DataSet(train, test)


def _sample(n: int, components: int, scale: float, generator: torch.Generator) -> Examples:
    labels = torch.randint(components, (n,), generator=generator)
    noise = torch.randn(n, 2, dtype=torch.float64, generator=generator)
    return Examples(quantise(means(components)[labels] + scale * noise).view(n, 1, 1, 2), labels)


def means(components: int) -> Float64[Tensor, "k 2"]:
    """Return points evenly spaced on the circle, counter-clockwise from its rightmost point."""
    angles = torch.arange(components, dtype=torch.float64) * (2 * math.pi / components)
    return 0.5 + CIRCLE * torch.stack([angles.cos(), angles.sin()], dim=1)


def quantise(points: Float64[Tensor, "n 2"]) -> UInt8[Tensor, "n 2"]:
    """Return points of the unit square in bytes."""
    return (points * 255).round().clamp(0, 255).to(torch.uint8)
