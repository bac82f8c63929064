"""The softmax over grey levels."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infovae.likelihoods.bernoulli import Bernoulli
from infovae.likelihoods.categorical import Categorical


@given(levels=st.integers(2, 300), channels=st.integers(1, 3), scale=st.floats(0, 50))
@settings(deadline=None, max_examples=30)
def test_probabilities_of_the_levels_sum_to_1(levels: int, channels: int, scale: float) -> None:
    parameters = scale * torch.randn(1, levels * channels, 1, 1, dtype=torch.float64)
    values = torch.arange(levels, dtype=torch.float64) / (levels - 1)
    # One image a level, the same in all channels: the pixel's own log-probabilities are inside the image's sum.
    pixels = Categorical(levels)(parameters).base_dist
    log_prob = pixels.log_prob(values.view(-1, 1, 1, 1, 1).expand(-1, 1, channels, 1, 1))
    torch.testing.assert_close(log_prob.exp().sum(dim=0), torch.ones(1, channels, 1, 1, dtype=torch.float64))


def test_each_byte_is_a_level_of_its_own() -> None:
    images = torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1).float() / 255
    logits = torch.randn(256)
    log_prob = Categorical()(logits.view(1, 256, 1, 1)).log_prob(images)
    torch.testing.assert_close(log_prob, logits.log_softmax(dim=0))


def test_equal_logits_are_8_bits_a_dimension() -> None:
    images = torch.randint(256, (2, 3, 4, 5)) / 255
    log_prob = Categorical()(torch.zeros(2, 768, 4, 5)).log_prob(images)
    torch.testing.assert_close(-log_prob / (math.log(2) * 60), torch.full((2,), 8.0))


def test_two_levels_are_a_coin() -> None:
    logits, images = torch.randn(3, 2, 4, 5), torch.rand(3, 2, 4, 5).round()
    parameters = torch.cat([torch.zeros_like(logits), logits], dim=1)
    torch.testing.assert_close(Categorical(2)(parameters).log_prob(images), Bernoulli()(logits).log_prob(images))
    torch.testing.assert_close(Categorical(2)(parameters).mean, Bernoulli()(logits).mean)


def test_samples_follow_their_probabilities() -> None:
    n, logits = 50_000, torch.tensor([0.0, 1.0, -1.0, 0.5])
    samples = Categorical(4)(logits.view(1, 4, 1, 1)).sample((n,)).flatten()
    frequencies = torch.bincount((3 * samples).round().long(), minlength=4) / n
    torch.testing.assert_close(frequencies, logits.softmax(dim=0), rtol=0, atol=5 * (0.25 / n) ** 0.5)


def test_one_level_is_refused() -> None:
    with pytest.raises(ValueError, match="levels=1: invalid; accepted"):
        Categorical(1)
