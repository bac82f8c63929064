"""What pictures ask about codes and the prior, against closed forms."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pictures.toy import observed, toy
from torch.distributions import Independent, Normal, kl_divergence

from infovae.pictures.latent_space import (
    PRIOR_DRAWS,
    by_use,
    finite,
    prior_covariance,
    prior_quantiles,
    rate_by_dimension,
)
from infovae.pictures.traversals import Traversals
from infovae.priors.gaussian_mixture import GaussianMixture
from infovae.priors.standard_normal import StandardNormal
from infovae.priors.uniform import Uniform


@given(st.integers(1, 6), st.integers(1, 9))
def test_rates_add_up_to_that_of_the_code(d: int, n: int) -> None:
    codes, prior = observed(torch.randn(n, d), torch.rand(n, d) + 0.01).codes, StandardNormal(d)
    rates = rate_by_dimension(codes, prior)
    assert rates is not None
    whole = kl_divergence(Independent(Normal(codes.mean, codes.variance.sqrt()), 1), prior.distribution())
    assert rates.sum().item() == pytest.approx(whole.mean().item(), rel=1e-5)
    first = 0.5 * (codes.mean[:, 0] ** 2 + codes.variance[:, 0] - 1 - codes.variance[:, 0].log()).mean()
    assert rates[0].item() == pytest.approx(first.item(), rel=1e-4, abs=1e-5)


def test_there_is_no_rate_where_it_is_infinite_or_no_sum() -> None:
    mean, variance = torch.randn(9, 2), torch.rand(9, 2) + 0.1
    assert rate_by_dimension(observed(mean, variance).codes, Uniform(2)) is None
    assert rate_by_dimension(observed(mean, variance).codes, GaussianMixture(2)) is None
    assert rate_by_dimension(observed(mean, 0 * variance).codes, StandardNormal(2)) is None


def test_the_most_useful_dimension_comes_first() -> None:
    spread = torch.tensor([0.1, 3.0, 1.0])
    mean = torch.randn(100, 3) * spread
    for variance in (torch.full((100, 3), 0.01), torch.zeros(100, 3)):
        assert by_use(observed(mean, variance).codes, StandardNormal(3)).tolist() == [1, 2, 0]


def test_quantiles_are_exact_for_independent_dimensions() -> None:
    deviations = torch.tensor([-3.0, -1.0, 0.0, 2.5])
    torch.testing.assert_close(
        prior_quantiles(StandardNormal(2), deviations), deviations[:, None].expand(4, 2), rtol=1e-5, atol=1e-6
    )
    levels = 0.5 * (1 + torch.erf(deviations / math.sqrt(2)))
    expected = ((2 * levels - 1) * math.sqrt(3))[:, None].expand(4, 3)
    torch.testing.assert_close(prior_quantiles(Uniform(3), deviations), expected, rtol=1e-5, atol=1e-5)


def test_quantiles_and_covariance_of_a_mixture_are_those_of_its_draws() -> None:
    """Its last dimension is N(0, 1); in the plane each has variance scale^2 + radius^2 / 2."""
    prior = GaussianMixture(3, components=8, radius=2.0, scale=0.5)
    median, upper = prior_quantiles(prior, torch.tensor([0.0, 1.0]))[:, 2].tolist()
    # The standard error of a quantile: sqrt(p (1 - p) / n) / density.
    assert median == pytest.approx(0, abs=5 * math.sqrt(0.25 / PRIOR_DRAWS) / 0.3989)
    assert upper == pytest.approx(1, abs=5 * math.sqrt(0.8413 * 0.1587 / PRIOR_DRAWS) / 0.2420)
    expected = torch.diag(torch.tensor([2.25, 2.25, 1.0], dtype=torch.float64))
    # Var[z_1^2] <= E z_1^4 <= (2 + 4 * 0.5)^4, far out in its tail; a covariance's error is at most that of products.
    torch.testing.assert_close(prior_covariance(prior), expected, rtol=0, atol=5 * 16 / math.sqrt(PRIOR_DRAWS))


def test_finite_keeps_whole_examples() -> None:
    mean = torch.randn(4, 2)
    mean[1, 0], mean[3, 1] = torch.nan, torch.inf
    seen = observed(mean, torch.ones(4, 2))
    kept = finite(seen)
    assert torch.equal(kept.codes.mean, mean[[0, 2]])
    assert torch.equal(kept.x, seen.x[[0, 2]])
    assert kept.labels.tolist() == [0, 2]


def test_a_traversal_moves_one_dimension_through_the_prior_and_no_other() -> None:
    mean = torch.randn(50, 4) * torch.tensor([1.0, 0.1, 2.0, 0.5])
    model, seen = toy(latent_dim=4), observed(mean, torch.full((50, 4), 0.01))
    assert Traversals(dimensions=3, columns=7).draw(model, seen) is not None
    z = model.decoded[0].view(3, 7, 4)
    for row, k in enumerate((2, 0, 3)):
        torch.testing.assert_close(z[row, :, k], torch.linspace(-3, 3, 7), rtol=1e-5, atol=1e-5)
        others = [other for other in range(4) if other != k]
        assert torch.equal(z[row][:, others], mean[0, others].expand(7, 3))
