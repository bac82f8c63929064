"""The rate KL(q(z|x) || p(z)) by its closed form and from samples."""

import math

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from infovae.objective import rate
from infovae.posteriors.deterministic import Deterministic
from infovae.priors.gaussian_mixture import GaussianMixture
from infovae.priors.standard_normal import StandardNormal
from infovae.priors.uniform import Uniform

# N(0, I) twice: torch.distributions knows the KL to the first, and has to be told by samples for the second.
KNOWN = StandardNormal(2).double()
SAMPLED = GaussianMixture(2, components=1, radius=0.0, scale=1.0).double()
N = 40_000
STANDARD_ERRORS = 4.5


def gaussian(mean: Tensor, log_scale: Tensor) -> Distribution:
    return Independent(Normal(mean.expand(N, 2), log_scale.exp().expand(N, 2)), 1)


def test_the_sampled_rate_averages_to_the_closed_form() -> None:
    torch.manual_seed(0)
    posterior = gaussian(torch.tensor([0.7, -1.2]).double(), torch.tensor([-0.5, 0.3]).double())
    sampled = rate(posterior, SAMPLED.distribution(), posterior.rsample())
    expected = rate(posterior, KNOWN.distribution(), posterior.rsample())[0]
    assert abs(sampled.mean() - expected) < STANDARD_ERRORS * sampled.std() / math.sqrt(N)


def test_its_gradient_averages_to_that_of_the_closed_form() -> None:
    torch.manual_seed(0)
    # A copy of the parameters for each example gives each example's own gradient, and so their spread.
    mean = torch.tensor([0.7, -1.2]).double().repeat(N, 1).requires_grad_()
    log_scale = torch.tensor([-0.5, 0.3]).double().repeat(N, 1).requires_grad_()
    posterior = gaussian(mean, log_scale)
    sampled = torch.autograd.grad(rate(posterior, SAMPLED.distribution(), posterior.rsample()).sum(), [mean, log_scale])
    posterior = gaussian(mean, log_scale)
    expected = torch.autograd.grad(rate(posterior, KNOWN.distribution(), posterior.rsample()).sum(), [mean, log_scale])
    for estimate, exact in zip(sampled, expected, strict=True):
        error = (estimate.mean(dim=0) - exact[0]).abs()
        assert (error < STANDARD_ERRORS * estimate.std(dim=0) / math.sqrt(N)).all()


def test_against_a_mixture_it_is_the_integral() -> None:
    torch.manual_seed(0)
    prior = GaussianMixture(1, arrangement="grid", components=2, radius=1.0, scale=0.5).double()
    mean, scale = torch.tensor([0.3]).double(), torch.tensor([0.6]).double()
    posterior = Independent(Normal(mean.expand(N, 1), scale.expand(N, 1)), 1)
    sampled = rate(posterior, prior.distribution(), posterior.rsample())
    ticks = torch.linspace(-8, 8, 20_001).double()[:, None]
    log_q = Normal(mean, scale).log_prob(ticks).squeeze(1)
    integral = torch.trapezoid(log_q.exp() * (log_q - prior.log_prob(ticks)), ticks.squeeze(1))
    assert abs(sampled.mean() - integral) < STANDARD_ERRORS * sampled.std() / math.sqrt(N)


def test_it_is_infinite_where_it_is_infinite() -> None:
    posterior = gaussian(torch.zeros(2).double(), torch.zeros(2).double())
    assert rate(posterior, Uniform(2).distribution(), posterior.rsample()).isposinf().all()
    point = Deterministic()(torch.zeros(3, 2))
    for prior in (StandardNormal(2), GaussianMixture(2), Uniform(2)):
        assert rate(point, prior.distribution(), point.rsample()).isposinf().all()
