"""Terms of the rate against brute force, closed forms and bounds."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from infovae.codes import Basis, Codes
from infovae.metrics.aggregate_information import (
    AggregateInformation,
    aggregate_terms,
    log_aggregate,
    log_prior_by_dimension,
)
from infovae.priors.gaussian_mixture import GaussianMixture
from infovae.priors.standard_normal import StandardNormal
from infovae.priors.uniform import Uniform


def draw(mean: Tensor, variance: Tensor, own: Tensor) -> Tensor:
    return mean[own] + variance[own].sqrt() * torch.randn_like(mean[own])


def prior_of(d: int) -> Independent:
    zeros = torch.zeros(d, dtype=torch.float64)
    return Independent(Normal(zeros, torch.ones_like(zeros)), 1)


def within(values: Tensor, lower: float, upper: float) -> bool:
    """Whether a mean lies between two bounds, within 4.5 standard errors."""
    error = 4.5 * float(values.std()) / math.sqrt(len(values))
    return lower - error < float(values.mean()) < upper + error


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 5), st.integers(1, 50))
def test_log_aggregate_is_a_mixture_whatever_the_block(d: int, n: int, m: int, block: int) -> None:
    torch.manual_seed(0)
    mean, variance = torch.randn(n, d).double(), torch.rand(n, d).double() + 0.01
    z = torch.randn(m, d).double()
    joint, marginal, *_ = log_aggregate(z, mean, variance, None, block)
    for i in range(m):
        densities = [Normal(mean[j], variance[j].sqrt()).log_prob(z[i]) for j in range(n)]
        expected = math.log(sum(math.exp(float(density.sum())) for density in densities) / n)
        assert float(joint[i]) == pytest.approx(expected, rel=1e-9, abs=1e-9)
        torch.testing.assert_close(marginal[i], torch.stack(densities).exp().mean(dim=0).log())


def test_densities_far_from_all_others_are_exact() -> None:
    """Means of 1e3 and deviations of 1e-3: an expanded square would be off by nats."""
    mean = torch.full((3, 2), 1e3, dtype=torch.float64)
    variance = torch.full_like(mean, 1e-6)
    joint, *_ = log_aggregate(mean[:1] + 1e-3, mean, variance)
    # The tolerance is eps * 1e3 / 1e-3, by which z - mean can be known.
    assert float(joint) == pytest.approx(-1 - 2 * math.log(1e-3) - math.log(2 * math.pi), abs=1e-8)


def test_posteriors_that_coincide_hold_no_information() -> None:
    """Then q(z) is one Gaussian, and its KL and dimension-wise KL are the closed form."""
    d, n = 3, 4000
    mean = torch.tensor([0.5, -1.0, 0.0]).double().expand(n, d)
    variance = torch.tensor([0.3, 1.0, 2.0]).double().expand(n, d)
    own = torch.arange(n)
    terms = aggregate_terms(draw(mean, variance, own), own, mean, variance, prior_of(d))
    zero = torch.zeros(n, dtype=torch.float64)
    torch.testing.assert_close(terms.mutual_information, zero, rtol=0, atol=1e-10)
    torch.testing.assert_close(terms.total_correlation, zero, rtol=0, atol=1e-10)
    exact = kl_divergence(Normal(mean[0], variance[0].sqrt()), Normal(torch.zeros(d).double(), torch.ones(d).double()))
    assert within(terms.aggregate_kl, float(exact.sum()), float(exact.sum()))
    for k in range(d):
        assert within(terms.kl_by_dimension[:, k], float(exact[k]), float(exact[k]))


def test_posteriors_that_are_apart_hold_log_n() -> None:
    n = 50
    mean, variance, own = 100.0 * torch.arange(n).double()[:, None], torch.ones(n, 1).double(), torch.arange(n)
    terms = aggregate_terms(draw(mean, variance, own), own, mean, variance, prior_of(1))
    torch.testing.assert_close(
        terms.mutual_information, torch.full((n,), math.log(n), dtype=torch.float64), rtol=1e-10, atol=0
    )


def test_two_overlapping_posteriors_against_the_midpoint_rule() -> None:
    mean, variance = torch.tensor([[-0.8], [1.1]]).double(), torch.tensor([[0.4], [0.9]]).double()
    own = torch.arange(40_000) % 2
    torch.manual_seed(1)
    terms = aggregate_terms(draw(mean, variance, own), own, mean, variance, prior_of(1))
    width = 1e-3
    z = torch.arange(-12, 12, width).double()
    densities = torch.stack([Normal(mean[j], variance[j].sqrt()).log_prob(z) for j in range(2)])
    mixture = densities.exp().mean(dim=0).log()
    information = float((densities.exp() * (densities - mixture)).mean(dim=0).sum() * width)
    divergence = float((mixture.exp() * (mixture - prior_of(1).log_prob(z[:, None]))).sum() * width)
    assert within(terms.mutual_information, information, information)
    assert within(terms.aggregate_kl, divergence, divergence)


def test_a_product_of_grids_has_no_total_correlation() -> None:
    first, second = torch.randn(7).double(), 2 * torch.randn(5).double()
    mean = torch.cartesian_prod(first, second)
    variance, own = torch.tensor([0.1, 0.3]).double().expand(35, 2), torch.arange(35)
    terms = aggregate_terms(draw(mean, variance, own), own, mean, variance, prior_of(2))
    torch.testing.assert_close(terms.total_correlation, torch.zeros(35).double(), rtol=0, atol=1e-10)


def test_a_gaussian_channel_against_its_closed_forms() -> None:
    """mean ~ N(0, S), z = mean + noise: all Gaussian, so that all is known up to what N examples fall short by.

    E KL(q_N || q) <= log(1 + chi / N), with chi = det(I + S / v) - 1 the chi-square information of mean and z. By it
    I_q falls short and KL is over; total correlation is between the joint's excess and the marginals'.
    """
    torch.manual_seed(0)
    d, n, noise = 2, 4000, 0.5
    covariance = torch.tensor([[1.0, 0.6], [0.6, 0.8]]).double()
    mean = MultivariateNormal(torch.zeros(d).double(), covariance).sample((n,))
    variance, own = torch.full((n, d), noise).double(), torch.arange(n)
    terms = aggregate_terms(draw(mean, variance, own), own, mean, variance, prior_of(d))
    eye = torch.eye(d).double()
    aggregate = covariance + noise * eye
    excess = math.log1p((float(torch.linalg.det(eye + covariance / noise)) - 1) / n)
    marginal_excess = sum(math.log1p(float(s) / noise / n) for s in covariance.diagonal())
    information = 0.5 * float(torch.logdet(eye + covariance / noise))
    divergence = float(
        kl_divergence(
            MultivariateNormal(torch.zeros(d).double(), aggregate), MultivariateNormal(torch.zeros(d).double(), eye)
        )
    )
    correlation = 0.5 * float(aggregate.diagonal().log().sum() - torch.logdet(aggregate))
    assert within(terms.mutual_information, information - excess, information)
    assert within(terms.aggregate_kl, divergence, divergence + excess)
    assert within(terms.total_correlation, correlation - marginal_excess, correlation + excess)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 4), st.integers(2, 6), st.integers(1, 5), st.integers(1, 50))
def test_leaving_one_out_leaves_out_a_component(d: int, n: int, m: int, block: int) -> None:
    torch.manual_seed(0)
    mean, variance = torch.randn(n, d).double(), torch.rand(n, d).double() + 0.01
    z, own = torch.randn(m, d).double(), torch.randint(n, (m,))
    found = log_aggregate(z, mean, variance, own, block).without_own
    assert found is not None
    for i in range(m):
        others = torch.arange(n) != own[i]
        expected = log_aggregate(z[i : i + 1], mean[others], variance[others]).joint
        torch.testing.assert_close(found[i : i + 1], expected)


@pytest.mark.parametrize("n", [4, 16, 64])
def test_the_two_mixtures_enclose_the_population(n: int) -> None:
    """x ~ N(0, s^2), z = x + noise: I_q and KL(q || p) of the population are known, and each estimate's side."""
    repeats, scale2, noise = 1500, 4.0, 0.25
    information = 0.5 * math.log1p(scale2 / noise)
    total = scale2 + noise
    divergence = 0.5 * (total - 1 - math.log(total))
    means = [torch.empty(repeats).double() for _ in range(4)]
    own, variance = torch.arange(n), torch.full((n, 1), noise).double()
    for repeat in range(repeats):
        mean = math.sqrt(scale2) * torch.randn(n, 1).double()
        terms = aggregate_terms(draw(mean, variance, own), own, mean, variance, prior_of(1))
        for column, values in zip(means, terms[:4], strict=True):
            column[repeat] = values.mean()
    found = [float(values.mean()) for values in means]
    errors = [4.5 * float(values.std()) / math.sqrt(repeats) for values in means]
    assert found[0] < information - errors[0]
    assert found[1] > information + errors[1]
    assert found[2] > divergence + errors[2]
    assert found[3] < divergence - errors[3]


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 4), st.integers(1, 20), st.integers(1, 30))
def test_the_terms_add_up_and_the_bound_holds(d: int, n: int, queries: int) -> None:
    torch.manual_seed(0)
    mean, variance = torch.randn(n, d).double(), torch.rand(n, d).double() + 0.01
    own = torch.randint(n, (queries,))
    z = draw(mean, variance, own)
    terms = aggregate_terms(z, own, mean, variance, prior_of(d))
    rate = Normal(mean[own], variance[own].sqrt()).log_prob(z).sum(dim=1) - prior_of(d).log_prob(z)
    torch.testing.assert_close(terms.mutual_information + terms.aggregate_kl, rate)
    apart = terms.mutual_information_leave_one_out + terms.aggregate_kl_leave_one_out
    torch.testing.assert_close(apart, rate if n > 1 else torch.full_like(rate, torch.nan), equal_nan=True)
    torch.testing.assert_close(terms.total_correlation + terms.kl_by_dimension.sum(dim=1), terms.aggregate_kl)
    assert float(terms.mutual_information.max()) <= math.log(n) + 1e-9


def test_only_priors_of_independent_dimensions_have_a_dimension_wise_part() -> None:
    z = 0.1 * torch.randn(5, 3).double()
    for prior in (StandardNormal(3).double(), Uniform(3).double()):
        distribution = prior.distribution()
        torch.testing.assert_close(log_prior_by_dimension(distribution, z).sum(dim=1), distribution.log_prob(z))
    assert bool(log_prior_by_dimension(GaussianMixture(3).double().distribution(), z).isnan().all())


def measure(metric: AggregateInformation, codes: Codes, batch: int) -> dict[str, float]:
    for start in range(0, len(codes.z), batch):
        part = slice(start, start + batch)
        metric.update(Codes(codes.z[part], codes.mean[part], codes.variance[part], codes.dataset_size))
    return {name: value.item() for name, value in metric.compute().items() if value.ndim == 0}


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 60), st.integers(1, 60))
def test_the_metric_is_the_function_on_the_first_examples(n: int, batch: int, examples: int, queries: int) -> None:
    torch.manual_seed(0)
    mean, variance = torch.randn(n, 2), torch.rand(n, 2) + 0.1
    z = draw(mean, variance, torch.arange(n))
    metric = AggregateInformation(StandardNormal(2), examples, queries)
    measured = measure(metric, Codes(z, mean, variance, n), batch)
    used = min(n, examples)
    m = min(queries, used)
    own = torch.tensor([i * used // m for i in range(m)])
    terms = aggregate_terms(
        z[own].double(), own, mean[:used].double(), variance[:used].double(), StandardNormal(2).distribution()
    )
    assert measured["mutual_information"] == pytest.approx(float(terms.mutual_information.mean()), abs=1e-12)
    assert measured["aggregate_kl"] == pytest.approx(float(terms.aggregate_kl.mean()), abs=1e-12)
    by_dimension = float(terms.kl_by_dimension.mean(dim=0).sum())
    assert measured["dimension_wise_kl"] == pytest.approx(by_dimension, abs=1e-12)
    assert measured["mutual_information_bound"] == pytest.approx(math.log(used))
    assert math.isnan(measured["aggregate_kl_standard_error"]) == (m == 1)
    assert math.isnan(measured["aggregate_kl_leave_one_out"]) == (used == 1)


def test_point_masses_are_not_a_number_and_no_crash() -> None:
    mean = torch.randn(10, 2)
    measured = measure(AggregateInformation(StandardNormal(2)), Codes(mean, mean, torch.zeros(10, 2), 10), 5)
    assert measured.pop("mutual_information_bound") == pytest.approx(math.log(10))
    assert all(map(math.isnan, measured.values()))


@pytest.mark.parametrize("key", ["examples", "queries"])
def test_none_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=f"{key}=0: .*accepted: "):
        AggregateInformation(StandardNormal(1), **{key: 0})


@pytest.mark.parametrize("d", [1, 2])
def test_a_variance_of_0_in_one_dimension_is_none_in_all(d: int) -> None:
    mean, variance, own = torch.randn(3, d).double(), torch.ones(3, d).double(), torch.arange(3)
    variance[1, 0] = 0
    for values in aggregate_terms(mean, own, mean, variance, prior_of(d)):
        assert values.isnan().all()
        assert len(values) == 3


@pytest.mark.parametrize("n", [1, 2])
def test_why_one_example_is_too_few_is_known(n: int) -> None:
    metric = AggregateInformation(StandardNormal(2))
    measure(metric, Codes(torch.randn(n, 2), torch.randn(n, 2), torch.ones(n, 2), n), n)
    assert metric.reason == (None if n > 1 else "one example has no leave-one-out mixture, and no standard error")


def test_covariances_that_share_a_basis_are_full_gaussians() -> None:
    """Against torch's own full Gaussians; the marginals are those of the diagonals."""
    n, d = 30, 2
    matrix, spread = torch.randn(d, d).double(), torch.rand(n, d).double() + 0.1
    basis = Basis(spread, matrix, torch.linalg.inv(matrix))
    covariance = (matrix * spread[:, None]) @ matrix.T
    oracle = MultivariateNormal(torch.randn(n, d).double(), covariance)
    z, variance = oracle.sample(), covariance.diagonal(dim1=1, dim2=2)
    metric = AggregateInformation(StandardNormal(d).double())
    for part in (slice(0, 20), slice(20, 30)):
        metric.update(Codes(z, oracle.mean, variance, n, basis).take(part))
    found = metric.compute()
    densities = oracle.log_prob(z[:, None])
    aggregate = densities.logsumexp(dim=1) - math.log(n)
    others = densities.masked_fill(torch.eye(n, dtype=torch.bool), -torch.inf).logsumexp(dim=1) - math.log(n - 1)
    prior = prior_of(d).log_prob(z)
    marginal = log_aggregate(z, oracle.mean, variance).marginal
    torch.testing.assert_close(found["mutual_information"], (densities.diagonal() - aggregate).mean())
    torch.testing.assert_close(found["mutual_information_leave_one_out"], (densities.diagonal() - others).mean())
    torch.testing.assert_close(found["aggregate_kl"], (aggregate - prior).mean())
    torch.testing.assert_close(found["aggregate_kl_leave_one_out"], (others - prior).mean())
    torch.testing.assert_close(found["total_correlation"], (aggregate - marginal.sum(dim=1)).mean())
