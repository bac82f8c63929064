"""A test split for sets that have none."""

import torch
from jaxtyping import Int64
from torch import Tensor

from infovae.data.images import ImageSets, LabelledImages
from infovae.data.splits import split


def cut_positions(n: int, fraction: float, seed: int) -> tuple[Int64[Tensor, " a"], Int64[Tensor, " b"]]:
    """Which of n examples to train on and which to test on: random, and the same for the same seed.

    Raises:
        ValueError: the fraction leaves one side without an example.
    """
    held_out = round(n * fraction)
    if not 0 < held_out < n:
        raise ValueError(
            f"source.test_fraction={fraction}: it makes {held_out} of {n} images the test split; "
            "accepted: fractions that leave at least one image on each side"
        )
    return split(n, held_out, torch.Generator().manual_seed(seed))


def hold_out(data: LabelledImages, fraction: float, seed: int) -> ImageSets:
    """Cut a test split off.

    Raises:
        ValueError: the fraction leaves one side without an example.
    """
    train, test = (data.take(chosen) for chosen in cut_positions(len(data.images), fraction, seed))
    return ImageSets(train, test)
