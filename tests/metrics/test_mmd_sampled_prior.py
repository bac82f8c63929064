"""The evaluation MMD against priors without a closed form."""

import math

import pytest
import torch

from infovae.codes import Codes
from infovae.divergences.kernels import Gaussian, squared_distances
from infovae.metrics.mmd import MMDToPrior
from infovae.priors.gaussian_mixture import GaussianMixture
from infovae.priors.prior import Prior
from infovae.priors.standard_normal import StandardNormal
from infovae.priors.uniform import Uniform

D, DRAWS = 3, 4000


def measure(prior: Prior, z: torch.Tensor) -> tuple[float, float]:
    metric = MMDToPrior(prior, samples=1000, prior_samples=DRAWS)
    metric.update(Codes(z, z, torch.zeros_like(z), len(z)))
    values = metric.compute()
    return float(values["mmd"]), float(values["mmd_standard_error"])


def test_draws_stand_for_the_closed_form_within_their_noise() -> None:
    torch.manual_seed(1)
    z = 1.3 * torch.randn(1000, D) + 0.2
    exact, _ = measure(StandardNormal(D), z)
    sampled, _ = measure(GaussianMixture(D, arrangement="ring", components=1, radius=0.0, scale=1.0), z)
    # What a draw y adds: -2 E_z k(z, y) + 2 E_y' k(y, y'), over m draws; and the noise of pairs, var k over (m / 2)^2.
    kernel, y = Gaussian(), torch.randn(DRAWS, D).double()
    first = 2 * kernel.normal_mean(y, float(D)) - 2 * kernel.evaluate(squared_distances(y, z.double()), float(D)).mean(
        dim=1
    )
    pairs = kernel.evaluate(squared_distances(y[:2000], y[2000:]), float(D))
    error = math.sqrt(float(first.var()) / DRAWS + float(pairs.var()) / (DRAWS / 2) ** 2)
    assert abs(sampled - exact) < 4.5 * error
    assert sampled != exact


@pytest.mark.parametrize("prior", [GaussianMixture(D), Uniform(D)])
def test_it_is_nothing_for_draws_of_the_prior_and_grows_as_they_move(prior: Prior) -> None:
    torch.manual_seed(1)
    z = prior.sample(1000)
    here, standard_error = measure(prior, z)
    # The standard error leaves out the prior's draws: four times as many as codes add at most a quarter of the variance
    # linearly, and 1 / 8 more by their pairs.
    assert abs(here) < 4.5 * standard_error * math.sqrt(1 + 1 / 4 + 1 / 8)
    nearer, further = measure(prior, z + 0.4)[0], measure(prior, z + 0.8)[0]
    assert here < nearer < further


def test_the_draws_are_the_same_each_time_and_move_no_other_stream() -> None:
    prior, z = GaussianMixture(D), torch.randn(50, D)
    torch.manual_seed(5)
    expected = torch.randn(3)
    torch.manual_seed(5)
    first = measure(prior, z)
    assert torch.equal(torch.randn(3), expected)
    assert measure(prior, z) == first
