"""Sprites with known factors, after dSprites (Matthey, Higgins, Hassabis, Lerchner 2017); generated, not read."""

import logging
import math
from typing import NamedTuple

import torch
from jaxtyping import Float64, Int64, UInt8
from torch import Tensor

from infovae.data.held_out import cut_positions
from infovae.data.images import ImageSets, LabelledImages
from infovae.data.memory import check_fits
from infovae.terminal.progress import progress

log = logging.getLogger(__name__)

SHAPES = ("square", "ellipse", "heart")
REACH = 0.2
"""How far a sprite of scale 1 reaches from its centre, where a side of the image is 1."""
HEART_RADIUS = 1.43
"""Of a circle about the origin that holds the curve (x^2 + y^2 - 1)^3 = x^2 y^3."""
CHUNK = 64


class Grid(NamedTuple):
    """How many values each factor has, in dSprites' order; every combination is one image.

    Attributes:
        shape: 1 to 3: square, ellipse, heart.
        scale: evenly spaced in [0.5, 1].
        rotation: evenly spaced in [0, 2 pi), anticlockwise. dSprites' own grid has both ends, so that its first and
            last images are alike; this one has not. A square turned by pi / 2 and an ellipse turned by pi look as
            before, here as there.
        x: evenly spaced from left to right, in [0, 1]: as far as the largest sprite stays whole.
        y: the same from top to bottom.
    """

    shape: int
    scale: int
    rotation: int
    x: int
    y: int


def factors(index: Int64[Tensor, " n"], grid: Grid) -> Int64[Tensor, "n 5"]:
    """Which value of each factor an image has: the last factor varies fastest."""
    columns = []
    for count in reversed(grid):
        columns.append(index % count)
        index = index // count
    return torch.stack(columns[::-1], dim=1)


def factor_values(index: Int64[Tensor, " n"], grid: Grid) -> Float64[Tensor, "n 5"]:
    """The values themselves: shape as its number, scale, rotation in radians, x and y in [0, 1]."""
    shape, scale, rotation, x, y = factors(index, grid).double().unbind(1)
    return torch.stack(
        [
            shape,
            # A factor with one value has the largest scale, or the middle of the image.
            0.5 + 0.5 * scale / (grid.scale - 1) if grid.scale > 1 else torch.ones_like(scale),
            rotation * (2 * math.pi / grid.rotation),
            x / (grid.x - 1) if grid.x > 1 else torch.full_like(x, 0.5),
            y / (grid.y - 1) if grid.y > 1 else torch.full_like(y, 0.5),
        ],
        dim=1,
    )


def render(values: Float64[Tensor, "n 5"], size: int) -> UInt8[Tensor, "n 1 s s"]:
    """White sprites on black, with hard edges: a pixel is white where its centre lies inside.

    Args:
        values: of the factors, as :func:`factor_values` gives them.
        size: pixels on a side.
    """
    shape, scale, rotation, x, y = values.view(-1, 5, 1, 1).unbind(1)
    centres = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    across = (centres - (REACH + (1 - 2 * REACH) * x)) / (REACH * scale)
    # Rows go down the image, a sprite's own axis goes up.
    up = -(centres.unsqueeze(1) - (REACH + (1 - 2 * REACH) * y)) / (REACH * scale)
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
) -> ImageSets:
    """Every combination of the factors, once; the label is the shape.

    ``cut_positions(grid.shape * ... * grid.y, test_fraction, test_seed)`` gives the index of each train and test
    image, and :func:`factors` what is on it.

    Args:
        shapes: the first so many of square, ellipse, heart.
        scales: how many sizes.
        rotations: how many angles.
        xs: how many horizontal positions.
        ys: how many vertical positions.
        size: pixels on a side.
        test_fraction: of the images, held out at random.
        test_seed: of that choice; not the run's, so that all runs are tested alike.

    Raises:
        ValueError: an empty grid, too many shapes, images too small to show them, or a test split without images.
        OSError: the grid takes more memory than there is.
    """
    if not 1 <= shapes <= len(SHAPES):
        raise ValueError(f"source.shapes={shapes}: invalid; accepted: 1 to {len(SHAPES)} ({', '.join(SHAPES)})")
    for name, count in (("scales", scales), ("rotations", rotations), ("xs", xs), ("ys", ys)):
        if count < 1:
            raise ValueError(f"source.{name}={count}: invalid; accepted: whole numbers of at least 1")
    if size < 16:
        raise ValueError(f"source.size={size}: invalid; accepted: whole numbers of at least 16")
    grid = Grid(shapes, scales, rotations, xs, ys)
    n = math.prod(grid)
    check_fits(f"data.source: a grid of {' x '.join(map(str, grid))}", n * size * size)
    log.info("drawing %d sprites of %d x %d pixels; fewer by data.source.rotations, xs and ys", n, size, size)
    train, test = (_images(index, grid, size) for index in cut_positions(n, test_fraction, test_seed))
    return ImageSets(train, test)


def _images(index: Int64[Tensor, " n"], grid: Grid, size: int) -> LabelledImages:
    # In chunks that stay in the processor's cache: five times as fast as in one piece.
    images = [render(factor_values(chunk, grid), size) for chunk in progress(index.split(CHUNK), "drawing sprites")]
    values = factors(index, grid)
    return LabelledImages(torch.cat(images), values[:, 0], values)
