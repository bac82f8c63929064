"""The data {-1, 1} of the InfoVAE paper's first example (Zhao, Song, Ermon 2019, figure 1)."""

import torch

from infovae.data.examples import DataSet, Examples
from infovae.errors import ArgumentError


def two_points(size: int = 1000) -> DataSet:
    """Return two images of one pixel, black for x = -1 and white for x = 1, each half of the set.

    Pixels lie in [0, 1], so the pixel is (x + 1) / 2, and a likelihood's scale is half of that for x. The label is
    the pixel.

    Args:
        size: number of examples in the train split, and in the test split.

    Raises:
        ArgumentError: the size is odd or too small.
    """
    if size < 2 or size % 2:
        raise ArgumentError("size", size, "even numbers of at least 2")
    labels = torch.arange(size) % 2
    points = Examples((labels * 255).to(torch.uint8).view(size, 1, 1, 1), labels)
    return DataSet(points, points)
