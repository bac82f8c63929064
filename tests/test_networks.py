"""Networks of any size, likelihoods and posteriors against torch's or numerical integration."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infovae.likelihoods.gaussian import Gaussian
from infovae.networks.conv import ConvDecoder, ConvEncoder
from infovae.networks.mlp import MLPDecoder, MLPEncoder
from infovae.posteriors.diagonal_gaussian import DiagonalGaussian
from infovae.priors.standard_normal import StandardNormal


@given(
    n=st.integers(1, 3),
    channels=st.integers(1, 4),
    height=st.integers(4, 33),
    width=st.integers(4, 33),
    latent_dim=st.integers(1, 4),
)
@settings(deadline=None, max_examples=25)
def test_any_image_size_and_channel_count(n: int, channels: int, height: int, width: int, latent_dim: int) -> None:
    shape = (channels, height, width)
    images, z = torch.rand(n, *shape), torch.randn(n, latent_dim)
    for encoder in (MLPEncoder(shape, 7, [5, 6]), MLPEncoder(shape, 7, []), ConvEncoder(shape, 7, [3, 5], 11)):
        assert encoder(images).shape == (n, 7)
    for decoder in (MLPDecoder(latent_dim, shape, 1, [5]), ConvDecoder(latent_dim, shape, 1, [3, 5], 11)):
        assert decoder(z).shape == (n, *shape)


def test_the_paper_s_network_has_the_authors_sizes() -> None:
    encoder, decoder = ConvEncoder((1, 28, 28), 20), ConvDecoder(10, (1, 28, 28), 1)
    assert sum(p.numel() for p in encoder.parameters()) == 64 * 17 + 128 * (64 * 16 + 1) + 1024 * (6272 + 1) + 20 * 1025
    assert sum(p.numel() for p in decoder.parameters()) == 1024 * 11 + 6272 * 1025 + 64 * (128 * 16) + 64 + 64 * 16 + 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MLPEncoder((1, 4, 4), 2, [0]), r"hidden=\[0\]: invalid; accepted"),
        (lambda: ConvEncoder((1, 4, 4), 2, [2, 2, 2]), "can't be halved 3 times; accepted: lists of at most 2"),
        (lambda: ConvEncoder((1, 4, 4), 2, []), r"channels=\[\]"),
        (lambda: ConvDecoder(2, (1, 4, 4), 1, [2], 0), "hidden=0"),
        (lambda: Gaussian(scale=0), "scale=0"),
        (lambda: Gaussian("shared", scale=0.1, min_scale=0.1), "min_scale=0.1"),
        (lambda: DiagonalGaussian(min_scale=1), "min_scale=1"),
        (lambda: StandardNormal(0), "latent_dim=0"),
    ],
)
def test_impossible_sizes_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
