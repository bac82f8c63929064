"""Networks of any size, likelihoods and posteriors against torch's or numerical integration."""

import copy
from functools import partial
from typing import Any

import pytest
import torch
from conftest import TINY, Compose
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from infovae.data.loader import Batch
from infovae.divergences.none import NoDivergence
from infovae.errors import ArgumentError
from infovae.likelihoods.bernoulli import Bernoulli
from infovae.likelihoods.gaussian import Gaussian
from infovae.likelihoods.likelihood import Likelihood
from infovae.module import InfoVAE
from infovae.networks.conv import ConvDecoder, ConvEncoder
from infovae.networks.decoder import Decoder
from infovae.networks.made import MADEDecoder
from infovae.networks.mlp import MLPDecoder, MLPEncoder
from infovae.networks.resnet import ResnetDecoder, ResnetEncoder
from infovae.networks.transformer import TransformerDecoder, TransformerEncoder
from infovae.objective import Objective
from infovae.posteriors.diagonal_gaussian import DiagonalGaussian
from infovae.priors.standard_normal import StandardNormal
from infovae.training.assemble import build_data, build_module


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


def test_the_units_of_a_perceptron_are_as_chosen() -> None:
    z = torch.randn(4, 3)
    for activation, unit in (("relu", torch.relu), ("tanh", torch.tanh)):
        decoder = MLPDecoder(3, (5,), 1, [4], activation)  # type: ignore[arg-type]
        first, last = decoder.layers[0], decoder.layers[2]
        torch.testing.assert_close(decoder(z), last(unit(first(z))))


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


@pytest.mark.parametrize("sides", [(1,), (7,), (33,), (9, 5), (8, 8), (5, 6, 9), (4, 4, 4)], ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_signals_images_and_volumes_by_one_code(sides: tuple[int, ...], channels: int) -> None:
    shape, n, d = (channels, *sides), 2, 3
    x, z = torch.rand(n, *shape), torch.randn(n, d)
    fits: list[tuple[torch.nn.Module, torch.nn.Module]] = [
        (ResnetEncoder(shape, 7, [4]), ResnetDecoder(d, shape, 2, [4])),
        (MLPEncoder(shape, 7, [5]), MLPDecoder(d, shape, 2, [5])),
    ]
    if min(sides) >= 4:
        fits.append((ConvEncoder(shape, 7, [3, 5], 11), ConvDecoder(d, shape, 2, [3, 5], 11)))
    if len(sides) == 1:
        fits.append((TransformerEncoder(shape, 7, 8, 1, 2), TransformerDecoder(d, shape, 2, 8, 1, 2)))
    for encoder, decoder in fits:
        assert encoder(x).shape == (n, 7)
        assert decoder(z).shape == (n, 2 * channels, *sides)


def test_rows_of_a_table_need_no_spatial_dimension() -> None:
    assert MLPEncoder((5,), 7, [4])(torch.rand(2, 5)).shape == (2, 7)
    assert MLPDecoder(3, (5,), 2, [4])(torch.rand(2, 3)).shape == (2, 10)
    with pytest.raises(ArgumentError, match=r"shape=\[5\].* accepted: examples of 1 to 3 spatial dimensions"):
        ConvEncoder((5,), 7)


def test_a_signal_is_an_image_of_one_row() -> None:
    """The same weights in one and in two dimensions: a kernel's other rows meet nothing but padding."""
    signal = ResnetEncoder((2, 20), 7, [4, 8])
    image = ResnetEncoder((2, 1, 20), 7, [4, 8])
    for one, two in zip(signal.parameters(), image.parameters(), strict=True):
        with torch.no_grad():
            if two.ndim == 4:
                two.zero_()[:, :, two.shape[2] // 2] = one
            else:
                two.copy_(one)
    x = torch.rand(3, 2, 20)
    torch.testing.assert_close(signal(x), image(x[:, :, None]))


def test_a_transformer_sees_the_order_of_its_positions() -> None:
    torch.manual_seed(0)
    encoder, x = TransformerEncoder((1, 6), 4, vocabulary=5), torch.randint(5, (3, 1, 6)).float()
    x[:, :, 0], x[:, :, 5] = 0, 4
    assert not torch.allclose(encoder(x), encoder(x.flip(2)), atol=1e-4)
    with pytest.raises(ArgumentError, match="heads=3"):
        TransformerEncoder((1, 6), 4, heads=3)


def test_a_decoder_may_begin_with_the_mean_example(composed: Compose) -> None:
    cfg = composed(*TINY, "+network.decoder.start=data")
    data = build_data(cfg)
    decoder = build_module(cfg, data).decoder
    torch.nn.init.zeros_(decoder.layers[-1].weight)  # type: ignore[arg-type, index, union-attr]
    mean = data.splits["train"].x.double().mean(dim=0).div(255).clamp(0.001, 0.999)
    begun = torch.sigmoid(decoder(torch.randn(3, cfg.latent_dim)))
    torch.testing.assert_close(begun, mean.float().expand_as(begun))


def assembled(outputs: int, decoder: Decoder, likelihood: Likelihood, shape: tuple[int, ...] | None) -> InfoVAE:
    optimizer = partial(torch.optim.SGD, lr=0.1)
    own = DiagonalGaussian(), likelihood, StandardNormal(2), NoDivergence(), Objective(), optimizer
    return InfoVAE(MLPEncoder((3, 4, 4), outputs, [5]), decoder, *own, shape=shape)


@pytest.mark.parametrize("shape", [(3, 4, 4), None])
@pytest.mark.parametrize(
    ("outputs", "decoder", "likelihood", "told"),
    [
        (2, MLPDecoder(2, (3, 4, 4), 1, []), Bernoulli(), r"^encoder=MLPEncoder: .*; accepted: shape \(n, 4\), by"),
        (4, MLPDecoder(2, (3, 4, 4), 2, []), Bernoulli(), "^decoder=MLPDecoder: "),
        (4, MLPDecoder(2, (3, 4, 4), 1, []), Gaussian("per_pixel"), "^decoder=MLPDecoder: "),
        (4, MLPDecoder(2, (3, 1, 1), 1, []), Bernoulli(), "^decoder=MLPDecoder: .*; accepted: shape"),
        (4, MADEDecoder(2, (3, 4, 4), 2, [5]), Bernoulli(), "^decoder=MADEDecoder: it outputs 6 channels for 3 of x"),
    ],
)
def test_networks_of_other_sizes_are_refused_by_the_constructor_or_the_first_batch(
    outputs: int, decoder: Decoder, likelihood: Likelihood, told: str, shape: tuple[int, ...] | None
) -> None:
    """Their outputs would be broadcast, and entries counted more than once."""
    with pytest.raises(ArgumentError, match=told):
        assembled(outputs, decoder, likelihood, shape).step(
            Batch(torch.rand(5, 3, 4, 4), torch.zeros(5, dtype=torch.int64), 5), 100
        )


def test_trying_networks_draws_nothing_and_leaves_them_as_they_are() -> None:
    decoder = MLPDecoder(2, (3, 4, 4), 1, [])
    decoder.layers.append(nn.Sequential(nn.BatchNorm1d(48), nn.Dropout()))
    kept = copy.deepcopy(decoder.eval().state_dict())
    decoder.layers.train()
    modes = [part.training for part in decoder.modules()]
    stream = torch.get_rng_state()
    tried = assembled(4, decoder, Bernoulli(), (3, 4, 4))
    torch.set_rng_state(stream)
    plain = assembled(4, decoder, Bernoulli(), None)
    for one, other in zip(tried.encoder.parameters(), plain.encoder.parameters(), strict=True):
        assert torch.equal(one, other)
    after = torch.rand(3)
    torch.set_rng_state(stream)
    assembled(4, decoder, Bernoulli(), (3, 4, 4))
    assert torch.equal(torch.rand(3), after)
    assert [part.training for part in decoder.modules()] == modes
    for name, value in decoder.state_dict().items():
        assert torch.equal(value, kept[name])


def test_a_network_that_takes_no_zeros_is_left_to_the_first_batch() -> None:
    class Particular(MLPDecoder):
        def forward(self, z: Tensor) -> Tensor:
            assert z.any()
            return super().forward(z)

    assembled(4, Particular(2, (3, 4, 4), 1, []), Bernoulli(), (3, 4, 4))
    with pytest.raises(ArgumentError, match=r"^decoder=Particular: it outputs 6 channels for 3 of x"):
        assembled(4, Particular(2, (3, 4, 4), 2, []), Bernoulli(), (3, 4, 4)).decode(torch.ones(1, 2))
