"""Equation (6): identities of the family, the rate by its closed form and from samples, and what is refused."""

import math
from typing import Any

import pytest
import torch
from conftest import CONF, SMALL, Compose
from hydra.utils import instantiate
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from infovae import objective
from infovae.data.loader import Batch
from infovae.errors import ArgumentError
from infovae.module import InfoVAE
from infovae.objective import Objective, infovae_loss, rate, weighted_loss
from infovae.posteriors.deterministic import Deterministic
from infovae.posteriors.diagonal_gaussian import DiagonalGaussian
from infovae.priors.gaussian_mixture import GaussianMixture
from infovae.priors.standard_normal import StandardNormal
from infovae.priors.uniform import Uniform
from infovae.schedules.schedule import Schedule
from infovae.terms import Terms
from infovae.training.assemble import build_data, build_module

DIVERGENCES = sorted(path.stem for path in (CONF / "divergence").glob("*.yaml"))
numbers = st.floats(-1e3, 1e3)

# N(0, I) twice: torch.distributions knows the KL to the first, and has to be told by samples for the second.
KNOWN = StandardNormal(2).double()
SAMPLED = GaussianMixture(2, components=1, radius=0.0, scale=1.0).double()
N = 40_000
STANDARD_ERRORS = 4.5


class Dip(Schedule):
    """1, but 0.5 in some steps between its turns."""

    def __init__(self, length: int, low: range) -> None:
        nn.Module.__init__(self)
        self.low, self._length = low, length
        super().__init__()

    @property
    def length(self) -> int:
        return self._length

    def at(self, step: int) -> float:
        return 0.5 if step in self.low else 1.0


@pytest.mark.parametrize(("length", "low"), [(10, range(3, 4)), (5000, range(2003, 2010))])
def test_a_path_is_checked_between_the_turns_of_its_schedules(length: int, low: range) -> None:
    """Every step of a short one, and a thousand steps of a longer one."""
    with pytest.raises(ArgumentError, match=r"lambda_=0.5 at step (3|2005): with alpha=0 the divergence would be re"):
        Objective(0.0, Dip(length, low))


@given(numbers, numbers, numbers, st.floats(-3, 1), st.floats(0, 1e4))
def test_loss_is_equation_6(
    reconstruction: float, rate: float, divergence: float, alpha: float, lambda_: float
) -> None:
    terms = [torch.tensor(value, dtype=torch.float64) for value in (reconstruction, rate, divergence)]
    expected = reconstruction + (1 - alpha) * rate + (alpha + lambda_ - 1) * divergence
    assert infovae_loss(*terms, alpha, lambda_).item() == pytest.approx(expected, rel=1e-9, abs=1e-6)


@given(numbers, numbers, numbers, st.floats(0, 100))
def test_beta_vae_is_its_textbook_form(reconstruction: float, rate: float, divergence: float, beta: float) -> None:
    terms = [torch.tensor(value, dtype=torch.float64) for value in (reconstruction, rate, divergence)]
    objective = Objective(1 - beta, beta)
    assert not objective.weighs_divergence
    assert objective.weights() == Objective.beta_vae(beta).weights()  # to the last bit
    loss = weighted_loss(Terms(*terms), objective.weights())
    assert loss.item() == pytest.approx(reconstruction + beta * rate, rel=1e-9, abs=1e-9)


def test_vae_ignores_a_divergence_that_is_not_even_a_number() -> None:
    reconstruction, rate = torch.tensor(3.0), torch.tensor(2.0)
    assert infovae_loss(reconstruction, rate, torch.tensor(torch.nan), 0, 1) == 5
    assert infovae_loss(reconstruction, rate, None, 0, 1) == 5


def test_alpha_1_ignores_an_infinite_rate_in_loss_and_gradient() -> None:
    rate = torch.tensor(torch.inf, requires_grad=True)
    reconstruction = torch.tensor(3.0, requires_grad=True)
    loss = infovae_loss(reconstruction, rate, torch.tensor(0.5), 1, 10)
    loss.backward()
    assert loss.item() == 8
    assert reconstruction.grad == 1
    assert rate.grad is None


def test_missing_divergence_is_refused() -> None:
    with pytest.raises(ValueError, match="divergence=None: its weight is 9"):
        infovae_loss(torch.tensor(1.0), torch.tensor(1.0), None, 0, 10)


def test_a_bound_takes_the_place_of_reconstruction_and_rate_alone() -> None:
    terms = Terms(*map(torch.tensor, (3.0, 2.0, 0.5, 4.0)))
    assert weighted_loss(terms, Objective(0, 10).weights()) == 4 + 9 * 0.5


@pytest.mark.parametrize(
    ("alpha", "lambda_", "message"),
    [
        (1.5, 1, "alpha=1.5: invalid; accepted"),
        (float("nan"), 1, "alpha=nan"),
        (0, -1, "lambda_=-1: invalid; accepted"),
        (0, 0, r"rewarded \(alpha \+ lambda_ - 1 = -1\); accepted: lambda_ >= 1"),
        (0, float("inf"), "lambda_=inf"),
        (-1, 0.5, r"rewarded \(alpha \+ lambda_ - 1 = -1.5\); accepted: lambda_ >= 2"),
        # The default of existing implementations that maximises the divergence.
        (0, 1e-3, r"rewarded \(alpha \+ lambda_ - 1 = -0.999\); accepted: lambda_ >= 1"),
    ],
)
def test_points_outside_the_family_are_refused(alpha: float, lambda_: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Objective(alpha, lambda_)


@pytest.mark.parametrize(("alpha", "lambda_"), [(0, 1), (0, 2), (1, 0), (-3, 4), (0.5, 0.5), (1, 1000), (-100, 101)])
def test_points_inside_the_family_are_taken(alpha: float, lambda_: float) -> None:
    objective = Objective(alpha, lambda_)
    assert objective.weights() == objective.evaluation_weights() == (1 - alpha, alpha + lambda_ - 1)


def test_rounding_of_the_weight_of_a_divergence_is_0() -> None:
    lambda_ = 1e6 / 7
    alpha = math.nextafter(1 - lambda_, math.inf)
    assert alpha + lambda_ - 1 != 0
    assert Objective(alpha, lambda_).weights().divergence == 0
    one, nan = torch.tensor(1.0), torch.tensor(math.nan)
    assert infovae_loss(one, one, nan, 0.0, torch.tensor(1.0)).isnan()  # it moves


@pytest.mark.parametrize("beta", [-0.5, math.inf, math.nan])
def test_impossible_betas_are_refused(beta: float) -> None:
    with pytest.raises(ValueError, match=f"beta={beta:g}: invalid; accepted: finite values of at least 0"):
        Objective.beta_vae(beta)


def test_free_bits_have_limits() -> None:
    assert Objective(free_bits=0.0).free_bits == 0
    with pytest.raises(ValueError, match="free_bits=inf: invalid; accepted: null, and finite values of at least 0"):
        Objective(free_bits=math.inf)


@pytest.mark.parametrize(("free_bits", "charged"), [(1.5, 2.0), (3.0, 3.0)])
def test_free_bits_compare_with_the_rate_of_the_global_batch(
    free_bits: float, charged: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes with two alike examples each, of rates 1 and 3: the global batch has a rate of 2."""
    monkeypatch.setattr(objective, "rank_and_world_size", lambda: (0, 2))
    monkeypatch.setattr(objective, "sum_over_processes", lambda own: 2 * own)
    q, p = Independent(Normal(torch.zeros(2, 1), 1.0), 1), KNOWN.distribution()
    rates = torch.tensor([1.0, 3.0])
    assert Objective(free_bits=free_bits, free_bits_per="whole").charged_rate(q, p, rates, 4) == charged


def step(module: InfoVAE, batch: Batch) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Loss and gradients of one training step, as the module itself takes it."""
    torch.manual_seed(3)
    loss = module.step(batch, 400)
    module.zero_grad()
    loss.backward()
    return loss, [parameter.grad for parameter in module.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_alpha_0_lambda_1_is_the_elbo_in_loss_and_gradient(composed: Compose, divergence: str) -> None:
    cfg = composed(*SMALL, "model=infovae", "model.lambda_=1", f"divergence={divergence}")
    data = build_data(cfg)
    torch.manual_seed(0)
    module = build_module(cfg, data)
    batch = next(iter(data.train_dataloader()))
    images = batch.x
    loss, gradients = step(module, batch)

    # The ELBO by hand, from the same noise.
    torch.manual_seed(3)
    posterior = module.encode(images)
    z = posterior.mean + posterior.stddev * torch.randn_like(posterior.mean)
    mean, variance = posterior.mean, posterior.variance
    rate = 0.5 * (mean**2 + variance - 1 - variance.log()).sum(dim=1).mean()
    logits = module.decoder(z)
    reconstruction = (
        torch.nn.functional.binary_cross_entropy_with_logits(logits, images, reduction="none").sum((1, 2, 3)).mean()
    )
    elbo = -(reconstruction + rate)
    module.zero_grad()
    (-elbo).backward()
    expected = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    torch.testing.assert_close(loss, -elbo)
    assert len(gradients) == len(expected) > 0
    for gradient, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(gradient, other)


def test_terms_are_summed_over_pixels_and_dimensions_whatever_the_image_size(composed: Compose) -> None:
    """The trap of a pixel mean against a latent sum: four times the pixels cost four times the nats."""
    likelihood = instantiate(composed(*SMALL, "likelihood=gaussian").likelihood)
    small = likelihood(torch.zeros(2, 1, 4, 4)).log_prob(torch.ones(2, 1, 4, 4))
    large = likelihood(torch.zeros(2, 1, 8, 8)).log_prob(torch.ones(2, 1, 8, 8))
    torch.testing.assert_close(large, 4 * small)
    expected = Independent(Normal(torch.zeros(1, 4, 4), 0.1), 3).log_prob(torch.ones(1, 4, 4))
    torch.testing.assert_close(small, expected.expand(2))


def gaussian(mean: Tensor, log_scale: Tensor) -> Distribution:
    return Independent(Normal(mean.expand(N, 2), log_scale.exp().expand(N, 2)), 1)


def test_the_sampled_rate_averages_to_the_closed_form() -> None:
    torch.manual_seed(0)
    posterior = gaussian(torch.tensor([0.7, -1.2]).double(), torch.tensor([-0.5, 0.3]).double())
    sampled = rate(posterior, SAMPLED.distribution(), posterior.rsample())
    expected = rate(posterior, KNOWN.distribution(), posterior.rsample())[0]
    assert abs(sampled.mean() - expected) < STANDARD_ERRORS * sampled.std() / math.sqrt(N)


def test_the_sampled_rate_s_gradient_averages_to_that_of_the_closed_form() -> None:
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


def test_the_rate_against_a_mixture_is_the_integral() -> None:
    torch.manual_seed(0)
    prior = GaussianMixture(1, arrangement="grid", components=2, radius=1.0, scale=0.5).double()
    mean, scale = torch.tensor([0.3]).double(), torch.tensor([0.6]).double()
    posterior = Independent(Normal(mean.expand(N, 1), scale.expand(N, 1)), 1)
    sampled = rate(posterior, prior.distribution(), posterior.rsample())
    ticks = torch.linspace(-8, 8, 20_001).double()[:, None]
    log_q = Normal(mean, scale).log_prob(ticks).squeeze(1)
    integral = torch.trapezoid(log_q.exp() * (log_q - prior.log_prob(ticks)), ticks.squeeze(1))
    assert abs(sampled.mean() - integral) < STANDARD_ERRORS * sampled.std() / math.sqrt(N)


def test_the_rate_is_infinite_where_it_is_infinite() -> None:
    posterior = gaussian(torch.zeros(2).double(), torch.zeros(2).double())
    assert rate(posterior, Uniform(2).distribution(), posterior.rsample()).isposinf().all()
    point = Deterministic()(torch.zeros(3, 2))
    for prior in (StandardNormal(2), GaussianMixture(2), Uniform(2)):
        assert rate(point, prior.distribution(), point.rsample()).isposinf().all()


@pytest.mark.parametrize("scale", ["exp", "sigmoid"])
def test_rate_is_the_gaussian_closed_form(scale: Any) -> None:
    posterior = DiagonalGaussian(scale, min_scale=0.1)(torch.randn(5, 6))
    mean, variance = posterior.mean, posterior.variance
    expected = 0.5 * (mean**2 + variance - 1 - variance.log()).sum(dim=1)
    torch.testing.assert_close(rate(posterior, StandardNormal(3).distribution(), mean), expected)


def test_an_objective_prints_its_point() -> None:
    assert str(Objective(0.0, 2.0)) == "Objective(alpha=0, lambda_=2)"
    assert str(Objective.beta_vae(4.0, free_bits=0.5)) == "BetaVAE(beta=4, free_bits=0.5 per dimension)"
