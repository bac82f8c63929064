"""PixelCNN: what each pixel sees, and that p(x|z) is a distribution whose samples follow it."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2
from torch import Tensor
from torch.distributions import Distribution

from infovae.likelihoods.bernoulli import Bernoulli
from infovae.likelihoods.categorical import Categorical
from infovae.likelihoods.discretized_logistic import DiscretizedLogistic
from infovae.likelihoods.gaussian import Gaussian
from infovae.likelihoods.likelihood import Likelihood
from infovae.networks.pixelcnn import PixelCNNDecoder


def small(shape: tuple[int, int, int], parameters: int = 1, latent_dim: int = 2, **sizes: int) -> PixelCNNDecoder:
    """In float64 and with weights large enough for pixels to matter to each other."""
    decoder = PixelCNNDecoder(latent_dim, shape, parameters, **({"depth": 2, "width": 6, "kernel_size": 3} | sizes))
    decoder.double()
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.mul_(2)
    return decoder


def every_image(shape: tuple[int, int, int], levels: int) -> Tensor:
    values = itertools.product(range(levels), repeat=shape[0] * shape[1] * shape[2])
    return torch.tensor(list(values), dtype=torch.float64).reshape(-1, *shape) / (levels - 1)


def sees(shape: tuple[int, int, int], reach: int) -> Tensor:
    """The documented receptive field: entry [c, i, j, c', i', j'] tells whether pixel (c, i, j) sees (c', i', j')."""
    field = torch.zeros(*shape, *shape, dtype=torch.bool)
    for c, i, j, other, row, column in itertools.product(*map(range, shape), *map(range, shape)):
        above = 1 <= i - row <= reach and abs(j - column) <= reach
        left = row == i and 1 <= j - column <= reach
        field[c, i, j, other, row, column] = above or left or ((row, column) == (i, j) and other < c)
    return field


@pytest.mark.parametrize("context_channels", [0, 2])
@pytest.mark.parametrize(
    ("channels", "depth", "kernel_size"), [(1, 1, 3), (1, 1, 5), (1, 3, 3), (1, 2, 5), (3, 1, 3), (3, 2, 3), (2, 3, 3)]
)
def test_a_pixel_sees_its_receptive_field_and_nothing_else(
    channels: int, depth: int, kernel_size: int, context_channels: int
) -> None:
    shape = (channels, 7, 8)
    decoder = small(
        shape, 2, depth=depth, kernel_size=kernel_size, width=12 * channels, context_channels=context_channels
    )
    z, influence = torch.randn(1, 2, dtype=torch.float64), torch.zeros(2, *shape, *shape, dtype=torch.float64)
    for image in torch.rand(3, 1, *shape, dtype=torch.float64):  # a rectifier may be shut for one, hardly for all

        def parameters(image: Tensor) -> Tensor:
            return decoder(image, z).unflatten(1, (2, channels))

        influence += torch.autograd.functional.jacobian(parameters, image)[0, :, :, :, :, 0].abs()
    field = sees(shape, reach=depth * (kernel_size - 1) // 2)
    for of_each_parameter in influence:
        assert torch.equal(of_each_parameter != 0, field)


@pytest.mark.parametrize("context_channels", [0, 1])
def test_every_pixel_hears_all_of_z(context_channels: int) -> None:
    decoder = small((1, 4, 5), latent_dim=3, width=24, context_channels=context_channels)
    image = torch.rand(1, 1, 4, 5, dtype=torch.float64)
    z = torch.randn(1, 3, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda z: decoder(image, z), z)
    assert (jacobian != 0).all()


def test_a_constant_context_can_t_tell_pixels_apart_and_a_map_can() -> None:
    black = torch.full((1, 1, 1, 9), 0.5, dtype=torch.float64)  # 0 once scaled, as is the border
    for context_channels, spread in ((0, False), (2, True)):
        decoder = small((1, 1, 9), depth=1, width=12, context_channels=context_channels)
        parameters = decoder(black, torch.randn(1, 2, dtype=torch.float64))
        assert bool(parameters.std() > 1e-6) is spread


@pytest.mark.parametrize(
    ("shape", "likelihood", "levels"),
    [
        ((1, 2, 2), Bernoulli(), 2),
        ((1, 2, 2), Categorical(2), 2),
        ((1, 2, 2), Categorical(3), 3),
        ((3, 1, 2), Bernoulli(), 2),
        ((2, 2, 1), Categorical(3), 3),
        ((3, 1, 1), Categorical(7), 7),
        ((1, 1, 2), DiscretizedLogistic(), 256),
        ((2, 1, 1), DiscretizedLogistic(), 256),
        ((1, 2, 1), Categorical(64), 64),
    ],
)
@torch.no_grad()
def test_the_probabilities_of_all_images_sum_to_1(
    shape: tuple[int, int, int], likelihood: Likelihood, levels: int
) -> None:
    decoder = small(shape, likelihood.parameters_per_channel, context_channels=1)
    images = every_image(shape, levels)
    for z in torch.randn(2, 1, 2, dtype=torch.float64):
        log_prob = decoder.distribution(z.expand(len(images), -1), likelihood).log_prob(images)
        assert log_prob.exp().sum().item() == pytest.approx(1, abs=1e-11)  # 65,536 roundings of 1e-16
        assert log_prob.std() > 1e-3


def naive_sample(decoder: PixelCNNDecoder, z: Tensor, draw: Callable[[Tensor], Tensor]) -> Tensor:
    """The whole network for each channel of each pixel."""
    images = z.new_zeros(len(z), *decoder.shape)
    channels, height, width = decoder.shape
    for i, j, channel in itertools.product(range(height), range(width), range(channels)):
        parameters = decoder(images, z)[:, :, i : i + 1, j : j + 1]
        images[:, channel, i, j] = draw(parameters)[:, channel, 0, 0]
    return images


@given(
    n=st.integers(1, 2),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5)),
    latent_dim=st.integers(1, 3),
    depth=st.integers(1, 3),
    kernel_size=st.sampled_from([3, 5, 7]),
    context_channels=st.integers(0, 2),
)
@settings(deadline=None, max_examples=25)
@torch.no_grad()
def test_the_cached_sampler_gives_each_pixel_the_full_network_s_parameters(
    n: int, shape: tuple[int, int, int], latent_dim: int, depth: int, kernel_size: int, context_channels: int
) -> None:
    decoder = small(
        shape, 2, latent_dim, depth=depth, kernel_size=kernel_size, context_channels=context_channels, width=4
    )
    z, likelihood = torch.randn(n, latent_dim, dtype=torch.float64), Gaussian("per_pixel", scale=0.5)
    given_parameters: list[Tensor] = []

    def draw(parameters: Tensor) -> Tensor:
        given_parameters.append(parameters)
        return likelihood(parameters).sample()

    images = decoder.generate(z, draw)
    assert images.shape == (n, *shape)
    order = itertools.product(range(shape[1]), range(shape[2]), range(shape[0]))
    full = decoder(images, z)
    for parameters, (i, j, channel) in zip(given_parameters, order, strict=True):
        torch.testing.assert_close(parameters[:, channel :: shape[0], 0, 0], full[:, channel :: shape[0], i, j])


@pytest.mark.parametrize("shape", [(1, 6, 5), (3, 3, 4)])
@pytest.mark.parametrize("likelihood", [Bernoulli(), Categorical(5), DiscretizedLogistic(), Gaussian()])
@torch.no_grad()
def test_the_cached_sampler_draws_the_naive_sampler_s_images(
    shape: tuple[int, int, int], likelihood: Likelihood
) -> None:
    decoder = small(shape, likelihood.parameters_per_channel)
    z = torch.randn(4, 2, dtype=torch.float64)
    torch.manual_seed(3)
    cached = decoder.distribution(z, likelihood).sample()
    torch.manual_seed(3)
    naive = naive_sample(decoder, z, lambda parameters: likelihood(parameters).sample())
    torch.testing.assert_close(cached, naive)
    assert cached.std() > 0.1


@pytest.mark.parametrize(("shape", "likelihood"), [((1, 2, 2), Bernoulli()), ((2, 1, 2), Categorical(2))])
def test_samples_follow_the_distribution(shape: tuple[int, int, int], likelihood: Likelihood) -> None:
    decoder, n = small(shape, likelihood.parameters_per_channel), 20_000
    images, z = every_image(shape, 2), torch.randn(1, 2, dtype=torch.float64)
    distribution = decoder.distribution(z, likelihood)
    with torch.no_grad():
        expected = n * distribution.log_prob(images[:, None])[:, 0].exp()
    samples = distribution.sample((n,))
    assert samples.shape == (n, 1, *shape)
    index = (samples.flatten(1) @ torch.tensor([8.0, 4, 2, 1], dtype=torch.float64)).long()
    observed = torch.bincount(index, minlength=16)
    assert expected.min() > 5  # below that the statistic isn't chi-square
    statistic = ((observed - expected) ** 2 / expected).sum().item()
    assert statistic < chi2.isf(1e-5, df=15)


def test_the_mean_is_an_unbiased_draw_that_repeats_and_moves_no_stream() -> None:
    decoder, n = small((1, 2, 2)), 20_000
    images, z = every_image((1, 2, 2), 2), torch.randn(1, 2, dtype=torch.float64).expand(n, -1)
    distribution = decoder.distribution(z, Bernoulli())
    before = torch.get_rng_state()
    draws = distribution.mean
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(distribution.mean, draws)
    with torch.no_grad():
        probability = decoder.distribution(z[:16], Bernoulli()).log_prob(images).exp()
    expected = (probability[:, None, None, None] * images).sum(dim=0)
    torch.testing.assert_close(draws.mean(dim=0), expected, rtol=0, atol=5 * (0.25 / n) ** 0.5)


def test_log_prob_broadcasts_as_torch_s_distributions_do() -> None:
    decoder = small((2, 3, 4))
    z, images = torch.randn(5, 2, dtype=torch.float64), torch.rand(6, 5, 2, 3, 4, dtype=torch.float64).round()
    distribution = decoder.distribution(z, Bernoulli())
    assert (distribution.batch_shape, distribution.event_shape) == ((5,), (2, 3, 4))
    each = torch.stack([distribution.log_prob(row) for row in images])
    torch.testing.assert_close(distribution.log_prob(images), each)
    one = images[0, 0]
    torch.testing.assert_close(distribution.log_prob(one), distribution.log_prob(one.expand(5, -1, -1, -1)))
    assert distribution.sample((3, 2)).shape == (3, 2, 5, 2, 3, 4)


@given(
    n=st.integers(1, 3),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6)),
    latent_dim=st.integers(1, 3),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    mode=st.sampled_from([torch.enable_grad, torch.no_grad, torch.inference_mode]),
    likelihood=st.sampled_from([Bernoulli, DiscretizedLogistic, Gaussian, lambda: Categorical(4)]),
)
@settings(deadline=None, max_examples=25)
def test_any_size_type_and_mode(
    n: int,
    shape: tuple[int, int, int],
    latent_dim: int,
    dtype: torch.dtype,
    mode: Callable[[], Any],
    likelihood: Callable[[], Likelihood],
) -> None:
    pixels = likelihood()
    decoder = PixelCNNDecoder(latent_dim, shape, pixels.parameters_per_channel, depth=2, width=4, kernel_size=3)
    decoder.to(dtype)
    with mode():
        distribution = decoder.distribution(torch.randn(n, latent_dim, dtype=dtype), pixels)
        samples = distribution.sample()
        log_prob = distribution.log_prob(samples)
    assert samples.shape == (n, *shape)
    assert log_prob.shape == (n,)
    assert (samples.dtype, log_prob.dtype) == (dtype, dtype)
    assert log_prob.isfinite().all()
    assert log_prob.requires_grad is (mode is torch.enable_grad)


def test_all_weights_learn() -> None:
    decoder = small((3, 5, 5), context_channels=2)
    z = torch.randn(8, 2, dtype=torch.float64, requires_grad=True)
    distribution: Distribution = decoder.distribution(z, Bernoulli())
    distribution.log_prob(torch.rand(8, 3, 5, 5, dtype=torch.float64).round()).sum().backward()
    assert z.grad is not None
    assert z.grad.abs().min() > 0
    for name, parameter in decoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"depth": 0}, "depth=0: invalid; accepted"),
        ({"width": 2}, "width=2: invalid; accepted: whole numbers of at least 3"),
        ({"kernel_size": 4}, "kernel_size=4: invalid; accepted: odd"),
        ({"kernel_size": 1}, "kernel_size=1: invalid; accepted: odd"),
        ({"context_channels": -1}, "context_channels=-1: invalid; accepted"),
    ],
)
def test_impossible_sizes_are_refused(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small((3, 4, 4), **sizes)
