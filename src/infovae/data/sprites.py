"""Sprites with known factors, after dSprites (Matthey, Higgins, Hassabis, Lerchner 2017); generated, not read."""

import logging
import math
from typing import NamedTuple

import torch
from jaxtyping import Float64, Int64, UInt8
from torch import Tensor

from infovae.data.examples import DataSet, Examples
from infovae.data.memory import check_fits
from infovae.data.splits import fixed_cut
from infovae.errors import ArgumentError, require_at_least
from infovae.terminal.progress import progress

log = logging.getLogger(__name__)

SHAPES = ("square", "ellipse", "heart")
SPRITE_RADIUS = 0.2
"""Distance from a sprite's centre to its farthest point at scale 1, where a side of the image is 1."""
HEART_RADIUS = 1.43
"""Radius of a circle about the origin that holds the curve (x^2 + y^2 - 1)^3 = x^2 y^3."""
CHUNK = 64
"""Images drawn at a time: few enough to stay in the processor's cache, which is five times as fast."""


class FactorGrid(NamedTuple):
    """The number of values of each factor, in dSprites' order; every combination is one image.

    Attributes:
        shape: 1 to 3: square, ellipse, heart.
        scale: evenly spaced in [0.5, 1].
        rotation: evenly spaced in [0, 2 pi), counter-clockwise. dSprites includes both ends, so its first and last
            images are equal; here they differ. In both, a square turned by pi / 2 looks as before, and so does an
            ellipse turned by pi.
        x: evenly spaced from left to right, in [0, 1]; at the ends, the largest sprite is still whole.
        y: the same from top to bottom.
    """

    shape: int
    scale: int
    rotation: int
    x: int
    y: int


def factors(index: Int64[Tensor, " n"], grid: FactorGrid) -> Int64[Tensor, "n 5"]:
    """Return the index of each factor's value in these images; the last factor varies fastest."""
    return torch.stack(torch.unravel_index(index, grid), dim=1)


def factor_values(index: Int64[Tensor, " n"], grid: FactorGrid) -> Float64[Tensor, "n 5"]:
    """Return the factors' values: shape as its number, scale, rotation in radians, x and y in [0, 1]."""
    shape, scale, rotation, x, y = factors(index, grid).double().unbind(1)
    # A factor with one value has the largest scale, or the middle of the image.
    sizes = 0.5 + 0.5 * scale / (grid.scale - 1) if grid.scale > 1 else torch.ones_like(scale)
    across = x / (grid.x - 1) if grid.x > 1 else torch.full_like(x, 0.5)
    down = y / (grid.y - 1) if grid.y > 1 else torch.full_like(y, 0.5)
    return torch.stack([shape, sizes, rotation * (2 * math.pi / grid.rotation), across, down], dim=1)


def render(values: Float64[Tensor, "n 5"], size: int) -> UInt8[Tensor, "n 1 s s"]:
    """Return white sprites on black, without anti-aliasing: a pixel is white if its centre lies inside.

    Args:
        values: of the factors, as :func:`factor_values` returns them.
        size: pixels on a side.
    """
    shape, scale, rotation, x, y = values.view(-1, 5, 1, 1).unbind(1)
    centres = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    across = (centres - (SPRITE_RADIUS + (1 - 2 * SPRITE_RADIUS) * x)) / (SPRITE_RADIUS * scale)
    # Rows go down the image, a sprite's own axis goes up.
    up = -(centres.unsqueeze(1) - (SPRITE_RADIUS + (1 - 2 * SPRITE_RADIUS) * y)) / (SPRITE_RADIUS * scale)
    u = across * rotation.cos() + up * rotation.sin()
    v = up * rotation.cos() - across * rotation.sin()
    square = torch.maximum(u.abs(), v.abs()) <= math.sqrt(0.5)
    ellipse = u**2 + (2 * v) ** 2 <= 1
    a, b = HEART_RADIUS * u, HEART_RADIUS * v
    heart = (a**2 + b**2 - 1) ** 3 <= a**2 * b**3
    inside = torch.where(shape == 0, square, torch.where(shape == 1, ellipse, heart))
    return inside.to(torch.uint8).mul_(255).unsqueeze(1)


def sprites(
    shapes: int = 3,
    scales: int = 4,
    rotations: int = 10,
    xs: int = 16,
    ys: int = 16,
    size: int = 64,
    test_fraction: float = 0.1,
    test_seed: int = 1,
) -> DataSet:
    """Return every combination of the factors once; the label is the shape.

    ``fixed_cut(grid.shape * ... * grid.y, test_fraction, test_seed)`` returns the index of each train and test image,
    and :func:`factors` the factors of an index.

    Args:
        shapes: number of shapes, in the order square, ellipse, heart.
        scales, rotations, xs, ys: number of sizes, angles, horizontal and vertical positions.
        size: pixels on a side.
        test_fraction: the fraction of images to hold out for the test split, at random.
        test_seed: of that choice; separate from the run's seed, so that all runs are tested on the same images.

    Raises:
        ArgumentError: the grid is empty, has too many shapes or images too small to show them, or needs more memory
            than is free; or a split is empty.
    """
    if not 1 <= shapes <= len(SHAPES):
        raise ArgumentError("shapes", shapes, f"1 to {len(SHAPES)} ({', '.join(SHAPES)})")
    require_at_least(1, scales=scales, rotations=rotations, xs=xs, ys=ys)
    require_at_least(16, size=size)
    grid = FactorGrid(shapes, scales, rotations, xs, ys)
    n = math.prod(grid)
    check_fits("size", size, n * size * size, f", so a grid smaller than {' x '.join(map(str, grid))}")
    log.info("drawing %d sprites of %d x %d pixels; smaller rotations, xs and ys make fewer", n, size, size)
    train, test = (_images(index, grid, size) for index in fixed_cut(n, test_fraction, test_seed))
    return DataSet(train, test)


def _images(index: Int64[Tensor, " n"], grid: FactorGrid, size: int) -> Examples:
    images = [render(factor_values(chunk, grid), size) for chunk in progress(index.split(CHUNK), "drawing sprites")]
    values = factors(index, grid)
    return Examples(torch.cat(images), values[:, 0], values, index.numpy(), SHAPES[: grid.shape])
