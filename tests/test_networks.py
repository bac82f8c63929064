"""Networks of any size, likelihoods and posteriors against torch's or numerical integration."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infovae.likelihoods.bernoulli import Bernoulli
from infovae.likelihoods.discretized_logistic import DiscretizedLogistic, DiscretizedLogisticDistribution
from infovae.likelihoods.gaussian import Gaussian
from infovae.networks.conv import ConvDecoder, ConvEncoder
from infovae.networks.mlp import MLPDecoder, MLPEncoder
from infovae.objective import rate
from infovae.posteriors.deterministic import Deterministic
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


def test_bernoulli_is_the_cross_entropy() -> None:
    logits, images = torch.randn(3, 2, 4, 5), torch.rand(3, 2, 4, 5)
    expected = (images * logits.sigmoid().log() + (1 - images) * (-logits).sigmoid().log()).sum((1, 2, 3))
    torch.testing.assert_close(Bernoulli()(logits).log_prob(images), expected)


def test_gaussian_constants_are_counted_once_a_pixel() -> None:
    images = torch.rand(3, 1, 4, 5)
    for likelihood in (Gaussian("fixed", 0.3), Gaussian("shared", 0.3, 0.1)):
        expected = -20 * (math.log(0.3) + 0.5 * math.log(2 * math.pi))
        torch.testing.assert_close(likelihood(images).log_prob(images), torch.full((3,), expected))
    per_pixel = Gaussian("per_pixel", 0.3, 0.1)
    assert per_pixel.parameters_per_channel == 2
    parameters = torch.cat([images, torch.zeros_like(images)], dim=1)
    torch.testing.assert_close(per_pixel(parameters).log_prob(images), torch.full((3,), expected))


def test_gaussian_scale_is_learned_where_it_should_be() -> None:
    learned = {variance: Gaussian(variance).raw_scale.requires_grad for variance in ("fixed", "shared", "per_pixel")}
    assert learned == {"fixed": False, "shared": True, "per_pixel": False}


@given(location=st.floats(-2, 3), log_scale=st.floats(-7, 2))
def test_discretized_logistic_is_a_distribution_over_256_levels(location: float, log_scale: float) -> None:
    levels = torch.arange(256, dtype=torch.float64) / 255
    distribution = DiscretizedLogisticDistribution(
        torch.full((256,), location, dtype=torch.float64), torch.full((256,), log_scale, dtype=torch.float64)
    )
    log_prob = distribution.log_prob(levels)
    assert log_prob.isfinite().all()
    assert log_prob.exp().sum().item() == pytest.approx(1, abs=1e-9)


def test_discretized_logistic_has_finite_gradients_far_out() -> None:
    parameters = torch.tensor([[50.0, -50.0], [-9.0, -9.0]]).view(1, 4, 1, 1).requires_grad_()
    likelihood = DiscretizedLogistic()(parameters)
    likelihood.log_prob(torch.tensor([0.0, 1.0]).view(1, 2, 1, 1)).sum().backward()
    assert parameters.grad is not None
    assert parameters.grad.isfinite().all()


def test_discretized_logistic_samples_follow_its_probabilities() -> None:
    n = 50_000
    distribution = DiscretizedLogisticDistribution(torch.full((n,), 0.02), torch.full((n,), -4.0))
    samples = distribution.sample()
    probability = distribution.log_prob(torch.zeros(n))[0].exp().item()
    assert (samples == 0).float().mean().item() == pytest.approx(probability, abs=5 * (0.25 / n) ** 0.5)


@pytest.mark.parametrize("scale", ["exp", "sigmoid"])
def test_rate_is_the_gaussian_closed_form(scale: Any) -> None:
    posterior = DiagonalGaussian(scale, min_scale=0.1)(torch.randn(5, 6))
    mean, variance = posterior.mean, posterior.variance
    expected = 0.5 * (mean**2 + variance - 1 - variance.log()).sum(dim=1)
    torch.testing.assert_close(rate(posterior, StandardNormal(3).distribution(), mean), expected)


def test_sigmoid_scale_lies_between_its_floor_and_1() -> None:
    posterior = DiagonalGaussian("sigmoid", min_scale=0.1)(torch.tensor([[0.0, 0.0, -1e3, 1e3]]))
    torch.testing.assert_close(posterior.stddev, torch.tensor([[0.1, 1.0]]))


def test_deterministic_posterior_has_an_infinite_rate_and_no_noise() -> None:
    location = torch.randn(4, 3, requires_grad=True)
    posterior = Deterministic()(location)
    assert rate(posterior, StandardNormal(3).distribution(), location).tolist() == [math.inf] * 4
    assert torch.equal(posterior.rsample(), location)
    assert not posterior.variance.any()
    assert posterior.rsample(torch.Size((2,))).shape == (2, 4, 3)


def test_prior_score_is_the_gradient_of_its_log_density() -> None:
    prior = StandardNormal(3)
    z = torch.randn(5, 3)
    torch.testing.assert_close(prior.score(z), super(StandardNormal, prior).score(z))
    assert prior.sample(7).shape == (7, 3)
