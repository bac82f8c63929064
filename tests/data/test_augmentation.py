"""Augmented images."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from infovae.data.augmentation import Augmentation
from infovae.errors import ArgumentError


def augmented(augmentation: Augmentation, images: Tensor, seed: int = 0) -> Tensor:
    return augmentation(images, Generator().manual_seed(seed))


def test_none_leaves_images_alone() -> None:
    images = torch.rand(6, 2, 9, 7)
    torch.testing.assert_close(augmented(Augmentation(0, 0, 0, 0), images), images, rtol=0, atol=1e-5)


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 12), st.integers(1, 12), st.integers(0, 30))
@settings(deadline=None, max_examples=25)
def test_pixels_stay_in_range_and_a_seed_repeats(n: int, c: int, h: int, w: int, seed: int) -> None:
    images = torch.rand(n, c, h, w)
    found = augmented(Augmentation(), images, seed)
    assert found.shape == images.shape
    assert found.min() >= 0
    assert found.max() <= 1
    torch.testing.assert_close(found, augmented(Augmentation(), images, seed), rtol=0, atol=0)


def test_a_dot_moves_no_further_than_the_share() -> None:
    images = torch.zeros(200, 1, 31, 31)
    images[:, :, 15, 15] = 1
    moved = augmented(Augmentation(rotation=0, zoom=0, shift=0.1, binarized=0), images)
    where = moved.flatten(1).argmax(dim=1)
    reach = torch.stack([where // 31 - 15, where % 31 - 15]).abs().max()
    # A tenth of 31 pixels, and half a pixel of rounding.
    assert 2 <= reach <= 3.6


def test_elastic_displacements_have_their_standard_deviation() -> None:
    n, size = 2000, 28  # a node of the coarse grid lies on pixel (9, 9)
    ramp = torch.linspace(0, 1, size).expand(n, 1, size, size)
    moved = augmented(Augmentation(0, 0, 0, elastic=0.03), ramp)
    displacement = (moved - ramp)[:, 0, 9, 9] * (size - 1)
    # The standard deviation of a sample's standard deviation is 1 / sqrt(2 n) of it, and that of its mean 1 / sqrt(n).
    assert displacement.std().item() == pytest.approx(0.03 * size, rel=5 / (2 * n) ** 0.5)
    assert abs(displacement.mean().item()) < 5 * 0.03 * size / n**0.5
    neighbours = (moved - ramp)[:, 0, 9, 10] * (size - 1)
    assert torch.corrcoef(torch.stack([displacement, neighbours]))[0, 1] > 0.9  # smooth


def test_the_share_of_batches_that_are_black_and_white() -> None:
    generator, images = Generator().manual_seed(0), torch.rand(2, 1, 5, 5)
    found = [Augmentation(binarized=0.3)(images, generator) for _ in range(400)]
    share = sum(bool(((batch == 0) | (batch == 1)).all()) for batch in found) / 400
    assert share == pytest.approx(0.3, abs=5 * (0.3 * 0.7 / 400) ** 0.5)


@pytest.mark.parametrize("argument", ["rotation", "zoom", "shift", "binarized", "elastic"])
@pytest.mark.parametrize("value", [-0.1, 181.0, float("nan")])
def test_numbers_out_of_range_are_refused(argument: str, value: float) -> None:
    with pytest.raises(ArgumentError, match=f"{argument}=.*: invalid; accepted: values from 0 to"):
        Augmentation(**{argument: value})
