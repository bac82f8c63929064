"""MADE as a decoder: what each pixel sees, and that p(x|z) is a distribution that can be drawn from."""

import itertools

import pytest
import torch
from torch import Tensor

from infovae.errors import ArgumentError
from infovae.likelihoods.categorical import Categorical
from infovae.networks.made import MADEDecoder

SHAPE = (2, 2, 2)


@pytest.fixture
def decoder() -> MADEDecoder:
    return MADEDecoder(3, SHAPE, 2, hidden=[64, 64]).double()


def test_a_pixel_sees_those_before_it_and_all_of_z(decoder: MADEDecoder) -> None:
    def parameters(images: Tensor, z: Tensor) -> Tensor:
        return decoder(images, z).unflatten(1, (2, 2))[0]  # parameter, channel, row, column

    images, z = torch.rand(1, *SHAPE, dtype=torch.float64), torch.randn(1, 3, dtype=torch.float64)
    by_image, by_z = torch.autograd.functional.jacobian(parameters, (images, z))
    place = {pixel: position for position, pixel in enumerate(itertools.product(range(2), range(2), range(2)))}
    for (i, j, channel), position in place.items():
        for (row, column, other), earlier in place.items():
            influence = by_image[:, channel, i, j, 0, other, row, column]
            assert ((influence != 0) == (earlier < position)).all()
        assert (by_z[:, channel, i, j] != 0).all()


def test_the_probabilities_of_all_images_sum_to_1_and_draws_follow_them(decoder: MADEDecoder) -> None:
    images = torch.tensor(list(itertools.product([0.0, 1.0], repeat=8)), dtype=torch.float64).reshape(-1, *SHAPE)
    z, n = torch.randn(1, 3, dtype=torch.float64), 4000
    distribution = decoder.distribution(z.expand(len(images), -1), Categorical(2))
    probability = distribution.log_prob(images).exp()
    assert probability.sum().item() == pytest.approx(1, abs=1e-12)
    draws = decoder.distribution(z.expand(n, -1), Categorical(2)).sample()
    expected = (probability[:, None, None, None] * images).sum(dim=0)
    assert ((draws.mean(dim=0) - expected).abs() < 5 * (expected * (1 - expected) / n).sqrt()).all()


@pytest.mark.parametrize("hidden", [[], [0]])
def test_widths_must_be_positive(hidden: list[int]) -> None:
    with pytest.raises(ArgumentError, match=r"hidden=.*accepted: lists of whole numbers of at least 1"):
        MADEDecoder(3, SHAPE, 1, hidden)
