"""Fitted priors against densities that are known."""

import math

import pytest
import torch
from conftest import CONF
from hydra.utils import instantiate
from omegaconf import OmegaConf
from sklearn.mixture import GaussianMixture
from torch.distributions import Categorical, Distribution, MixtureSameFamily, MultivariateNormal

from infovae.errors import ArgumentError
from infovae.fitted_priors.fitted_prior import FittedPrior
from infovae.fitted_priors.flow_matching import FlowMatching, Velocity
from infovae.fitted_priors.mixture import FittedMixture
from infovae.fitted_priors.spline_flow import SplineFlow
from infovae.metrics.aggregate_information import aggregate_terms

NAMES = sorted(path.stem for path in (CONF / "fitted_prior").glob("*.yaml"))
FAST = {
    "mixture": {"components": 3},
    "flow": {"epochs": 20, "hidden": [64, 64], "learning_rate": 5e-3},
    "flow_matching": {"epochs": 50, "hidden": 128, "learning_rate": 1e-2},
}
TOLERANCES = {"mixture": 0.01, "flow": 0.06, "flow_matching": 0.2}
"""KL(truth || fit) in nats that each may have left, where the Gaussian of the truth's moments has 1.1.

EM's mixture is of the right family: its 17 parameters cost 17 / (2 n) = 0.002 nats on average. The flows are of another
family and stop after seconds, with 0.03 and 0.13 left when this was written.
"""
N = 4000


def truth() -> Distribution:
    """Three Gaussians in the plane, apart, correlated, of different weight and scale; far from N(0, I)."""
    centers = torch.tensor([[3.0, 1.0], [-1.0, 4.0], [8.0, -2.0]])
    factors = torch.tensor([[[1.0, 0.0], [0.8, 0.5]], [[0.4, 0.0], [0.0, 1.0]], [[0.7, 0.0], [-0.5, 0.7]]])
    weights = Categorical(probs=torch.tensor([0.5, 0.2, 0.3]))
    return MixtureSameFamily(weights, MultivariateNormal(centers, scale_tril=factors))


def make(name: str, latent_dim: int, **arguments: object) -> FittedPrior:
    node = OmegaConf.merge(OmegaConf.load(CONF / "fitted_prior" / f"{name}.yaml"), arguments)
    return instantiate(node)(latent_dim=latent_dim)


@pytest.fixture(scope="module")
def fitted() -> dict[str, FittedPrior]:
    """Each option, fitted to the same draws of the truth."""
    torch.manual_seed(0)
    codes, validation = truth().sample((N,)), truth().sample((1000,))
    priors = {}
    for name in NAMES:
        torch.manual_seed(1)
        priors[name] = make(name, 2, **FAST[name])
        rows = priors[name].fit(codes, validation)
        assert all(math.isfinite(row["validation_loss"]) for row in rows)
    return priors


@pytest.mark.parametrize("name", NAMES)
def test_the_density_is_close_to_the_truth(fitted: dict[str, FittedPrior], name: str) -> None:
    z = truth().sample((N,))
    with torch.no_grad():
        gap = truth().log_prob(z) - fitted[name].log_prob(z)
    error = float(gap.std()) / math.sqrt(N)
    assert -4.5 * error < float(gap.mean()) < TOLERANCES[name] + 4.5 * error


@pytest.mark.parametrize("name", NAMES)
def test_draws_follow_the_density(fitted: dict[str, FittedPrior], name: str) -> None:
    """It integrates to 1, and E log p(z) of draws is the integral of p log p, both by a grid's sum."""
    prior = fitted[name]
    cell = 0.1
    x, y = torch.arange(-4, 12, cell), torch.arange(-7, 9, cell)
    with torch.no_grad():
        log_density = torch.cat([prior.log_prob(part) for part in torch.cartesian_prod(x, y).split(20_000)]).double()
        density = log_density.exp()
        # The solver's steps, a spline's kinks between the ticks, and what lies outside of the grid.
        assert float(density.sum()) * cell**2 == pytest.approx(1, abs=5e-3)
        draws = prior.sample(N)
        assert draws.shape == (N, 2)
        values = prior.log_prob(draws)
    assert not draws.requires_grad
    expected = float((density * log_density).sum()) * cell**2
    assert float(values.mean()) == pytest.approx(expected, abs=4.5 * float(values.std()) / math.sqrt(N) + 0.01)


@pytest.mark.parametrize("name", NAMES)
def test_draws_have_the_moments_of_the_truth(fitted: dict[str, FittedPrior], name: str) -> None:
    n = 5000
    ours, exact = fitted[name].sample(n), truth().sample((n,))
    for power in (1, 2):
        a, b = ours**power, exact**power
        error = ((a.var(dim=0) + b.var(dim=0)) / n + b.var(dim=0) / N).sqrt()
        # A fit's own error comes on top: by Pinsker, sqrt(KL / 2) = 0.3 of the mass may lie elsewhere, at worst.
        assert ((a.mean(dim=0) - b.mean(dim=0)).abs() < 4.5 * error + 0.1 * b.std(dim=0)).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_score_is_the_slope_of_the_log_density(fitted: dict[str, FittedPrior], name: str) -> None:
    prior = make(name, 2, **FAST[name]).double()
    prior.load_state_dict(fitted[name].state_dict())
    z, step = truth().sample((20,)).double(), 1e-5
    with torch.inference_mode():
        score = prior.score(z)
    with torch.no_grad():
        for dimension, offset in enumerate(step * torch.eye(2, dtype=torch.float64)):
            slope = (prior.log_prob(z + offset) - prior.log_prob(z - offset)) / (2 * step)
            torch.testing.assert_close(score[:, dimension], slope, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("latent_dim", [1, 3])
def test_the_same_seed_fits_and_draws_the_same(name: str, latent_dim: int) -> None:
    codes = torch.randn(300, latent_dim)
    epochs = {} if name == "mixture" else {"epochs": 2}
    drawn = []
    for _ in range(2):
        torch.manual_seed(3)
        prior = make(name, latent_dim, **FAST[name] | epochs)
        prior.fit(codes, codes[:50])
        drawn.append((prior.sample(5), prior.log_prob(codes)))
    assert all(torch.equal(*pair) for pair in zip(*drawn, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_a_distribution_takes_any_batch_and_keeps_the_type(fitted: dict[str, FittedPrior], name: str) -> None:
    distribution, z = fitted[name].distribution(), torch.randn(4, 3, 2, dtype=torch.float64)
    value = distribution.log_prob(z)
    assert value.dtype == torch.float64
    torch.testing.assert_close(value[1], fitted[name].log_prob(z[1]), rtol=1e-5, atol=1e-5)  # float32 inside
    assert distribution.sample(torch.Size((5,))).shape == (5, 2)
    terms = aggregate_terms(z[0], torch.arange(3), z[0], torch.ones_like(z[0]), distribution)
    assert terms.aggregate_kl.isfinite().all()


def test_the_mixture_is_scikit_learn_s() -> None:
    """Another scale of the codes changes nothing but the scale."""
    codes = truth().sample((N,))
    torch.manual_seed(0)
    prior = FittedMixture(2, 3)
    prior.fit(1000 * codes, 1000 * codes[:100])
    # EM from another start: both are at the maximum, within EM's tolerance of 1e-3.
    theirs = GaussianMixture(3, random_state=0, tol=1e-6).fit(codes.double().numpy())
    ours = prior.log_prob(1000 * codes) + 2 * math.log(1000)
    assert float(ours.mean()) == pytest.approx(theirs.score(codes.double().numpy()), abs=3e-3)


def test_the_number_of_components_is_chosen_by_the_validation_split() -> None:
    """Of 1, 3 and 300 on 600 codes, 1 misses the truth and 300 learn the codes by heart."""
    prior = FittedMixture(2, [1, 3, 300])
    rows = prior.fit(truth().sample((600,)), truth().sample((600,)))
    assert [row["components"] for row in rows] == [1, 3, 300]
    assert rows[2]["train_loss"] < rows[1]["train_loss"]
    assert prior.settings() == {"components": 3}
    again = FittedMixture(2, **prior.settings())
    again.load_state_dict(prior.state_dict())
    z = truth().sample((5,))
    assert torch.equal(again.log_prob(z), prior.log_prob(z))


def test_the_divergence_of_the_velocity_is_the_trace_of_its_jacobian() -> None:
    velocity = Velocity(5, 16).double()
    for parameter in velocity.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    u, t = torch.randn(7, 5, dtype=torch.float64), torch.rand(7, 1, dtype=torch.float64)
    jacobians = [torch.autograd.functional.jacobian(lambda x, i=i: velocity(x, t[i : i + 1])[0], u[i : i + 1])
                 for i in range(7)]  # fmt: skip
    exact = torch.stack([jacobian.reshape(5, 5).trace() for jacobian in jacobians])
    torch.testing.assert_close(velocity(u, t)[1], exact)


def test_flow_matching_starts_as_a_standard_normal() -> None:
    """The velocity that keeps N(0, I) is exact, so the solver's error is all that is left."""
    prior, z = FlowMatching(3).double(), torch.randn(10, 3, dtype=torch.float64)
    with torch.no_grad():
        exact = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(dim=1)
        torch.testing.assert_close(prior.log_prob(z), exact, rtol=1e-3, atol=1e-3)


def test_a_flow_starts_as_the_identity_in_one_dimension_too() -> None:
    for dimensions, within in ((1, 1e-6), (3, 0.5)):
        torch.manual_seed(0)
        codes = torch.randn(2000, dimensions)
        expected = torch.distributions.Normal(0.0, 1.0).log_prob(codes).sum(dim=1)
        assert (SplineFlow(dimensions).log_density(codes) - expected).mean().abs() < within


@pytest.mark.parametrize("prior", [SplineFlow(2), FlowMatching(2)], ids=["flow", "flow_matching"])
def test_noise_comes_back_from_the_codes_that_it_made(prior: FittedPrior) -> None:
    """log p(z) by the change of variables: log N(noise) minus the log determinant of the map from noise to z."""
    for parameter in prior.parameters():
        torch.nn.init.normal_(parameter, std=0.1)  # not stiff for the solver
    prior = prior.double()
    noise = torch.randn(6, 2, dtype=torch.float64)
    jacobian = torch.stack([
        torch.autograd.functional.jacobian(lambda e: prior.from_noise(e[None])[0], row) for row in noise
    ])  # fmt: skip
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(noise).sum(dim=1) - torch.linalg.slogdet(jacobian)[1]
    torch.testing.assert_close(prior.log_prob(prior.from_noise(noise)), expected, rtol=1e-3, atol=1e-3)


def test_early_stopping_keeps_the_weights_of_the_best_epoch() -> None:
    codes = torch.randn(60, 2)
    prior = SplineFlow(2, epochs=40, patience=3, learning_rate=2e-2, batch_size=10)
    validation = torch.randn(200, 2)
    rows = prior.fit(codes, validation)
    best = min(range(len(rows)), key=lambda i: rows[i]["validation_loss"])
    assert best + 3 == len(rows) - 1 < 39
    scaled = (validation - prior.center) / prior.scale
    assert -float(prior.log_density(scaled).detach().mean()) == pytest.approx(rows[best]["validation_loss"], rel=1e-5)


@pytest.mark.parametrize(
    ("codes", "why"),
    [
        (torch.zeros(1, 2), "codes=1: too few; accepted: at least 2"),
        (torch.tensor([[0.0, 1], [1, 1]]), "codes=constant: all codes are the same in dimension 1"),
        (torch.tensor([[0.0, math.nan], [1, 1]]), "codes=not finite: invalid; accepted: finite codes"),
        (torch.randn(5, 2), "components=10: invalid; accepted: at most 5, the number of codes"),
    ],
)
def test_codes_without_a_density_are_refused(codes: torch.Tensor, why: str) -> None:
    with pytest.raises(ArgumentError, match=why):
        FittedMixture(2, 10).fit(codes, codes)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("mixture", {"components": 0}), ("mixture", {"components": []}), ("flow", {"bins": 1}), ("flow", {"hidden": []}),
     ("flow", {"transforms": 0}), ("flow", {"epochs": 0}), ("flow_matching", {"steps": 0}),
     ("flow_matching", {"learning_rate": math.inf}), ("flow_matching", {"patience": 0})],
)  # fmt: skip
def test_arguments_out_of_range_are_refused(name: str, arguments: dict[str, object]) -> None:
    with pytest.raises(ArgumentError, match=next(iter(arguments))):
        make(name, 2, **arguments)
