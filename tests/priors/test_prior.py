"""What every prior owes, whichever file it is in: each option of conf/prior/ joins by itself."""

import math

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch.distributions import Distribution, Independent, Normal

from infovae.app.cli import CONF
from infovae.config.build import build
from infovae.data.examples import Inputs
from infovae.data.values import Bytes
from infovae.errors import UserError
from infovae.priors.prior import Prior

NAMES = sorted(path.stem for path in (CONF / "prior").glob("*.yaml"))
STANDARD_ERRORS = 4.5


def make(name: str, latent_dim: int) -> Prior:
    """The prior in float64, with its defaults, attached to a small encoder."""
    torch.manual_seed(0)
    node = OmegaConf.merge({"latent_dim": latent_dim}, {"prior": OmegaConf.load(CONF / "prior" / f"{name}.yaml")})
    prior = instantiate(node)["prior"]
    weight = torch.randn(16, 2 * latent_dim, dtype=torch.float64) / 2

    def encode(images: torch.Tensor) -> Distribution:
        mean, raw = (images.flatten(1) @ weight.to(images.dtype)).chunk(2, dim=1)
        return Independent(Normal(mean, (raw / 2).exp()), 1)

    prior.attach(encode, Inputs(torch.randint(0, 256, (40, 1, 4, 4), dtype=torch.uint8), Bytes()))
    return prior.double()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("latent_dim", [2, 5])
def test_draws_have_the_moments_that_the_distribution_states(name: str, latent_dim: int) -> None:
    prior, n = make(name, latent_dim), 10_000
    z = prior.sample(n)
    assert z.shape == (n, latent_dim)
    assert not z.requires_grad
    distribution = prior.distribution()
    centred = z - distribution.mean.detach()
    standard_error = z.std(dim=0) / math.sqrt(n)
    assert (centred.mean(dim=0).abs() < STANDARD_ERRORS * standard_error).all()
    squares = centred.square()
    standard_error = squares.std(dim=0) / math.sqrt(n)
    assert ((squares.mean(dim=0) - distribution.variance.detach()).abs() < STANDARD_ERRORS * standard_error).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_density_integrates_to_one_and_is_that_of_the_draws(name: str) -> None:
    prior = make(name, 2)
    # Wide enough to leave out less than 1e-6 of every prior here.
    edge, rows = 12.0, 200
    ticks = (torch.arange(rows, dtype=torch.float64) + 0.5) * (2 * edge / rows) - edge
    with torch.no_grad():
        parts = torch.cartesian_prod(ticks, ticks).split(4000)  # a vamp prior holds (n, K, d)
        density = torch.cat([prior.log_prob(part) for part in parts]).exp()
    cell = (2 * edge / rows) ** 2
    # A box's edges cut cells: each of its two sides is known to a cell's width.
    error = 1e-5 if prior.has_full_support else 2 * 2 * (2 * edge / rows) / (2 * math.sqrt(3))
    assert float(density.sum()) * cell == pytest.approx(1, abs=error)
    # E log p under draws against the integral of p log p.
    log_density = prior.log_prob(prior.sample(4_000)).detach()
    integral = float(torch.special.entr(density).sum()) * cell
    bound = STANDARD_ERRORS * float(log_density.std()) / math.sqrt(len(log_density)) + error * math.log(12)
    assert -float(log_density.mean()) == pytest.approx(integral, abs=bound)


@pytest.mark.parametrize("name", NAMES)
def test_the_score_is_the_slope_of_the_log_density(name: str) -> None:
    prior = make(name, 3)
    z = prior.sample(50)
    if "score" not in prior.provides:
        with pytest.raises(NotImplementedError, match="no score"):
            prior.score(z)
        return
    score = prior.score(z)
    assert not score.requires_grad
    step = 1e-5
    for dimension in range(3):
        offset = torch.zeros(3, dtype=torch.float64)
        offset[dimension] = step
        slope = (prior.log_prob(z + offset) - prior.log_prob(z - offset)).detach() / (2 * step)
        # Central differences: step^2 from the third derivative and eps / step from rounding, times sizes up to 1e3.
        torch.testing.assert_close(score[:, dimension], slope, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["gaussian_mixture", "standard_normal"])
def test_nan_is_passed_on(name: str) -> None:
    """The run that sees it says what to do; torch's own check would end it by a traceback."""
    assert make(name, 2).log_prob(torch.full((1, 2), torch.nan, dtype=torch.float64)).isnan().all()


@pytest.mark.parametrize("name", NAMES)
def test_what_a_config_sets_is_no_part_of_a_checkpoint(name: str) -> None:
    """Only pseudo-inputs are learned, and only they need a posterior's density."""
    prior = make(name, 2)
    assert list(prior.state_dict()) == (["logits"] if name == "vamp" else [])
    assert prior.needs_posterior_density == (name == "vamp")


@pytest.mark.parametrize("name", NAMES)
def test_a_box_is_the_only_density_that_ends(name: str) -> None:
    prior = make(name, 2)
    far = torch.full((1, 2), 30.0, dtype=torch.float64)
    assert bool(prior.log_prob(far).isfinite()) is prior.has_full_support


@pytest.mark.parametrize("name", NAMES)
def test_latent_dim_is_refused_below_one(name: str) -> None:
    node = OmegaConf.merge({"latent_dim": 0}, {"prior": OmegaConf.load(CONF / "prior" / f"{name}.yaml")})
    with pytest.raises(UserError, match=r"prior\.latent_dim=0: invalid; accepted: whole numbers of at least 1"):
        build(node["prior"], "prior")
