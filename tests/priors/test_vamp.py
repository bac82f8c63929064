import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from infovae.data.examples import Inputs
from infovae.data.values import Bytes
from infovae.priors.standard_normal import StandardNormal
from infovae.priors.vamp import Vamp

IMAGES = torch.randint(0, 256, (30, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


class Encoder:
    """Bytes through a fixed matrix; counts what it is given."""

    def __init__(self) -> None:
        self.weight = torch.randn(16, 6, generator=torch.Generator().manual_seed(1)).requires_grad_()
        self.rows: list[int] = []

    def __call__(self, images: Tensor) -> Distribution:
        self.rows.append(len(images))
        mean, raw = (images.flatten(1) @ self.weight).chunk(2, dim=1)
        return Independent(Normal(mean, (raw / 4).exp()), 1)


def attached(**arguments: object) -> tuple[Vamp, Encoder]:
    torch.manual_seed(0)
    prior, encoder = Vamp(3, **arguments), Encoder()
    prior.attach(encoder, Inputs(IMAGES, Bytes()))
    return prior, encoder


def test_log_prob_is_the_average_density_of_the_posteriors_at_the_pseudo_inputs() -> None:
    prior, encoder = attached(components=7)
    z = torch.randn(5, 3)
    with torch.no_grad():
        posteriors = [encoder(u[None]) for u in prior.pseudo_inputs()]
        expected = torch.stack([q.log_prob(z) for q in posteriors]).logsumexp(dim=0) - math.log(7)
    torch.testing.assert_close(prior.log_prob(z).detach(), expected)


def test_log_prob_teaches_pseudo_inputs_and_encoder_and_sampling_does_not() -> None:
    prior, encoder = attached(components=7)
    assert not prior.sample(4).requires_grad
    prior.log_prob(torch.randn(5, 3)).sum().backward()
    assert prior.logits.grad is not None
    assert prior.logits.grad.abs().sum() > 0
    assert encoder.weight.grad is not None
    assert encoder.weight.grad.abs().sum() > 0


def test_data_starts_pseudo_inputs_at_training_images() -> None:
    prior, _ = attached(components=70, start="data")
    pixels = prior.pseudo_inputs().detach()
    assert pixels.shape == (70, 1, 4, 4)
    clipped = (IMAGES.float() / 255).clamp(0.02, 0.98)
    distances = (pixels[:, None] - clipped[None]).flatten(2).abs().amax(dim=2)
    # A logit and a sigmoid of a float32 in [0.02, 0.98] come back to a few units of rounding.
    assert distances.amin(dim=1).max() < 32 * torch.finfo(torch.float32).eps
    assert torch.bincount(distances.argmin(dim=1), minlength=30).unique().tolist() == [2, 3]  # all are taken in turn


def test_noise_starts_pseudo_inputs_around_the_mean_image() -> None:
    prior, _ = attached(components=4000, start="noise")
    mean_logit = torch.logit((IMAGES.float() / 255).mean(dim=0).clamp(0.02, 0.98))
    offsets = prior.logits.detach().mean(dim=0) - mean_logit
    assert offsets.abs().max() < 4.5 / math.sqrt(4000)


def test_the_mean_image_is_that_of_all_images() -> None:
    """Of 2,500, more than are read at a time; the noise comes from torch's own stream."""
    images = torch.randint(0, 256, (2500, 1, 4, 4), dtype=torch.uint8)
    prior = Vamp(3, components=5, start="noise")
    torch.manual_seed(7)
    prior.attach(Encoder(), Inputs(images, Bytes()))
    torch.manual_seed(7)
    expected = torch.logit(images.double().mean(dim=0) / 255) + torch.randn(5, 1, 4, 4)
    torch.testing.assert_close(prior.logits.double(), expected, rtol=0, atol=1e-5)


def test_it_needs_a_posterior_with_a_density() -> None:
    assert Vamp.needs_posterior_density
    assert not StandardNormal.needs_posterior_density


def test_pixels_stay_in_range_however_far_the_parameters_go() -> None:
    prior, _ = attached(components=3)
    with torch.no_grad():
        prior.logits.mul_(1e6)
    pixels = prior.pseudo_inputs()
    assert pixels.min() >= 0
    assert pixels.max() <= 1


def test_it_is_part_of_the_state_and_the_encoder_is_not() -> None:
    prior, _ = attached(components=3)
    assert list(prior.state_dict()) == ["logits"]


def test_a_draw_encodes_each_pseudo_input_once() -> None:
    prior, encoder = attached(components=7)
    encoder.rows.clear()
    assert prior.sample(1000).shape == (1000, 3)
    assert encoder.rows == [7]


def test_refusals() -> None:
    with pytest.raises(ValueError, match="components=0: invalid; accepted: whole numbers of at least 1"):
        Vamp(3, components=0)
    assert attached(components=1)[0].sample(4).shape == (4, 3)
