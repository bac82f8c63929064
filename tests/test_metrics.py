"""Measurements of q(z) against numpy, closed forms and simulation."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from infovae.codes import Codes
from infovae.divergences.kernels import Gaussian, squared_distances
from infovae.divergences.mmd_standardized import null_deviation
from infovae.metrics import objective_terms
from infovae.metrics.log_det_covariance import LogDetCovariance, log_det
from infovae.metrics.mmd import MMDToPrior, one_sample_mmd_squared
from infovae.metrics.objective_terms import SplitTerms
from infovae.metrics.sampled_log_det_covariance import SampledLogDetCovariance
from infovae.priors.standard_normal import StandardNormal


def codes_of(mean: Tensor, variance: Tensor) -> Codes:
    return Codes(mean + variance.sqrt() * torch.randn_like(mean), mean, variance, len(mean))


def measure(metric: LogDetCovariance | MMDToPrior, codes: Codes, batch: int) -> dict[str, float]:
    for start in range(0, len(codes.z), batch):
        part = slice(start, start + batch)
        metric.update(Codes(codes.z[part], codes.mean[part], codes.variance[part], codes.dataset_size))
    return {name: value.item() for name, value in metric.compute().items()}


def test_log_det_covariance_is_numpys_for_a_deterministic_posterior() -> None:
    mean = torch.randn(500, 4, dtype=torch.float64) @ torch.randn(4, 4, dtype=torch.float64) + 7
    measured = measure(LogDetCovariance(StandardNormal(4)), codes_of(mean, torch.zeros_like(mean)), 64)
    expected = np.linalg.slogdet(np.cov(mean.T.numpy()))[1]
    assert measured["log_det_covariance"] == pytest.approx(expected, rel=1e-9)


def test_log_det_covariance_follows_the_law_of_total_covariance() -> None:
    """Against a sample covariance of very many codes of each example, within its sampling error."""
    mean = torch.randn(50, 3, dtype=torch.float64) * 2
    variance = torch.rand(50, 3, dtype=torch.float64) + 0.1
    measured = measure(LogDetCovariance(StandardNormal(3)), codes_of(mean, variance), 7)["log_det_covariance"]
    draws = 4000
    z = mean[:, None] + variance[:, None].sqrt() * torch.randn(50, draws, 3, dtype=torch.float64)
    # Cov[mean] divides by n - 1 as np.cov does: rebuild the same from draws, whose between part divides by n.
    between = np.cov(mean.T.numpy())
    within = (z - mean[:, None]).square().mean(dim=(0, 1)).numpy()
    expected = np.linalg.slogdet(between + np.diag(within))[1]
    # d log det = sum of inverse-weighted errors; each of d variances is known to sqrt(2 / (50 * draws)) of itself.
    assert measured == pytest.approx(expected, abs=5 * math.sqrt(2 * 3 / (50 * draws)))


def test_log_det_covariance_of_the_prior_is_0() -> None:
    n, d = 20_000, 10
    codes = codes_of(torch.zeros(n, d), torch.ones(n, d))
    assert measure(LogDetCovariance(StandardNormal(d)), codes, 1000)["log_det_covariance"] == pytest.approx(0, abs=1e-9)
    sampled = codes._replace(mean=codes.z, variance=torch.zeros(n, d))
    # Var[log det of a Wishart / n] is about 2 d / n, its bias about -d (d + 1) / (2 n).
    value = measure(LogDetCovariance(StandardNormal(d)), sampled, 1000)["log_det_covariance"]
    assert value == pytest.approx(-d * (d + 1) / (2 * n), abs=5 * math.sqrt(2 * d / n))


@pytest.mark.parametrize("n", [2, 5])
def test_too_few_examples_give_minus_infinity(n: int) -> None:
    mean = torch.randn(n, 5)
    assert measure(LogDetCovariance(StandardNormal(5)), codes_of(mean, torch.zeros_like(mean)), 3) == {
        "log_det_covariance": -math.inf
    }


def with_redundant_dimensions(n: int, offset: float, dtype: torch.dtype) -> Tensor:
    free = torch.randn(n, 4, dtype=dtype)
    return torch.cat([free, 3 * free[:, :1], free @ torch.randn(4, 2, dtype=dtype)], dim=1) + offset


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("offset", "scale"), [(0.0, 1.0), (10.0, 1.0), (1000.0, 1.0), (10.0, 0.01), (0.0, 100.0)])
@pytest.mark.parametrize("kind", [LogDetCovariance, SampledLogDetCovariance])
def test_redundant_dimensions_give_minus_infinity_at_any_offset_and_scale(
    kind: type[LogDetCovariance], offset: float, scale: float, dtype: torch.dtype
) -> None:
    for seed in range(20):
        torch.manual_seed(seed)
        mean = scale * with_redundant_dimensions(300, offset / scale, dtype)
        assert set(measure(kind(StandardNormal(7)), codes_of(mean, torch.zeros_like(mean)), 50).values()) == {-math.inf}


@pytest.mark.parametrize("offset", [0.0, 10.0, 1000.0])
def test_an_offset_costs_no_digits(offset: float) -> None:
    """A direction with a millionth of the others' variance is still measured, in float64."""
    mean = torch.randn(500, 3, dtype=torch.float64)
    mean[:, 2] = mean[:, 0] + 1e-3 * mean[:, 2]
    expected = np.linalg.slogdet(np.cov(mean.T.numpy()))[1]
    measured = measure(LogDetCovariance(StandardNormal(3)), codes_of(mean + offset, torch.zeros_like(mean)), 37)
    # Adding the offset rounds each code by eps * offset, against deviations of 1e-3.
    assert measured["log_det_covariance"] == pytest.approx(expected, abs=1e-9 + 500 * 2e-16 * offset / 1e-3)


def test_collapsed_and_broken_codes_are_told_not_crashed_on() -> None:
    collapsed = torch.ones(100, 3)
    assert measure(LogDetCovariance(StandardNormal(3)), codes_of(collapsed, torch.zeros(100, 3)), 10) == {
        "log_det_covariance": -math.inf
    }
    broken = torch.full((100, 3), torch.nan)
    assert math.isnan(measure(LogDetCovariance(StandardNormal(3)), codes_of(broken, broken), 10)["log_det_covariance"])


@given(st.integers(1, 6), st.floats(-6, 6))
def test_log_det_is_exact_at_any_scale(d: int, exponent: float) -> None:
    scale = 10.0**exponent
    covariance = scale * torch.eye(d, dtype=torch.float64)
    assert log_det(covariance).item() == pytest.approx(d * math.log(scale), abs=1e-9)


@given(st.integers(1, 40), st.integers(1, 5))
@settings(deadline=None, max_examples=25)
def test_metrics_do_not_depend_on_the_batch_size(batch: int, d: int) -> None:
    torch.manual_seed(1)
    codes = codes_of(torch.randn(40, d), torch.rand(40, d) + 0.1)
    prior = StandardNormal(d)
    for kind in (LogDetCovariance, MMDToPrior):
        assert measure(kind(prior), codes, batch) == pytest.approx(measure(kind(prior), codes, 40), rel=1e-9)


def test_mmd_standard_error_is_the_spread_of_the_estimate() -> None:
    """Over 400 samples of q != p and of q = p: unbiased, and the claimed error is the observed one."""
    d, n, repeats = 3, 60, 400
    kernel = Gaussian()
    for shift in (0.0, 0.7):
        values, errors = [], []
        for _ in range(repeats):
            z = torch.randn(n, d, dtype=torch.float64) + shift
            value, error = one_sample_mmd_squared(
                z,
                kernel,
                d,
                kernel.normal_mean(z, d),
                torch.as_tensor(kernel.normal_mean_mean(d, d), dtype=torch.float64),
            )
            values.append(value.item())
            errors.append(error.item() ** 2)
        # N(shift, I) against N(0, I), a Gaussian kernel: 2 (a / (a + 2))^(d/2) (1 - exp(-|shift|^2 / (2 (a + 2)))).
        exact = 2 * (d / (d + 2)) ** (d / 2) * (1 - math.exp(-d * shift**2 / (2 * (d + 2))))
        spread = np.std(values, ddof=1)
        assert np.mean(values) == pytest.approx(exact, abs=5 * spread / math.sqrt(repeats))
        # A variance from 400 draws is known to sqrt(2 / 400) = 7 % for a normal law. At q = p, h_1 is 0 and its sampled
        # variance, cut at 0, is not: the claimed error is on the safe side there.
        ratio = np.mean(errors) / spread**2
        assert 0.65 < ratio < (2 if shift == 0 else 1.35)


def test_mmd_of_a_tight_cluster_far_away() -> None:
    """Where h hardly varies around a large mean, the claimed error is still the observed spread."""
    d, n, repeats, kernel = 2, 20, 400, Gaussian()
    within = torch.as_tensor(kernel.normal_mean_mean(d, d), dtype=torch.float64)
    values, errors = [], []
    for _ in range(repeats):
        z = 1.7 + 0.05 * torch.randn(n, d, dtype=torch.float64)
        value, error = one_sample_mmd_squared(z, kernel, d, kernel.normal_mean(z, d), within)
        values.append(value.item())
        errors.append(error.item() ** 2)
    # The spread's variance is known to sqrt(2 / 400) = 7 %.
    assert 0.75 < np.mean(errors) / np.var(values, ddof=1) < 1.35


def test_mmd_of_codes_that_are_all_alike_has_no_error() -> None:
    kernel, z = Gaussian(), torch.full((20, 2), 1.7, dtype=torch.float64)
    within = torch.as_tensor(kernel.normal_mean_mean(2, 2.0), dtype=torch.float64)
    _, error = one_sample_mmd_squared(z, kernel, 2.0, kernel.normal_mean(z, 2.0), within)
    # The root of what rounding leaves of a variance of numbers below 1.
    assert error.item() == pytest.approx(0, abs=10 * math.sqrt(torch.finfo(torch.float64).eps))


@pytest.mark.parametrize("n", [3, 4, 9])
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_mmd_is_the_u_statistic_and_its_error_hoeffdings(n: int, shift: float) -> None:
    d, kernel = 2, Gaussian()
    z = torch.randn(n, d, dtype=torch.float64) + shift
    pairs, to_prior = kernel.evaluate(squared_distances(z, z), d), kernel.normal_mean(z, d)
    within = torch.as_tensor(kernel.normal_mean_mean(d, d), dtype=torch.float64)
    h = (pairs - to_prior[:, None] - to_prior + within).numpy()
    apart = h[~np.eye(n, dtype=bool)]
    variance = apart.var(ddof=1)
    rows = (h.sum(axis=1) - h.diagonal()) / (n - 1)
    projected = max(rows.var(ddof=1) - variance / (n - 1), 0)
    value, error = one_sample_mmd_squared(z, kernel, d, to_prior, within)
    assert value.item() == pytest.approx(apart.mean(), rel=1e-10)
    expected = (4 * (n - 2) * projected + 2 * variance) / (n * (n - 1))
    assert error.item() ** 2 == pytest.approx(expected, rel=1e-9)


def test_mmd_uses_so_many_codes_and_no_more() -> None:
    codes = codes_of(torch.zeros(500, 2), torch.ones(500, 2))
    metric = MMDToPrior(StandardNormal(2), samples=100)
    first = measure(metric, codes, 30)
    assert first == measure(MMDToPrior(StandardNormal(2), samples=100), Codes(*(t[:100] for t in codes[:3]), 500), 100)


def test_mmd_of_one_code_is_not_a_number() -> None:
    codes = codes_of(torch.zeros(1, 2), torch.ones(1, 2))
    assert all(map(math.isnan, measure(MMDToPrior(StandardNormal(2)), codes, 1).values()))


def test_objective_terms_are_averages_over_examples_not_batches() -> None:
    metric = SplitTerms()
    for value, n in ((1.0, 30), (4.0, 10)):
        metric.update(*[torch.tensor(value)] * 4, n)
    terms = metric.compute()
    assert terms["loss"] == terms["divergence"] == pytest.approx((30 * 1 + 10 * 4) / 40)
    assert terms["elbo"] == pytest.approx(-2 * (30 * 1 + 10 * 4) / 40)


@pytest.mark.parametrize("weight", [5.0, 0.5])
@pytest.mark.parametrize("sizes", [(30, 10), (0, 1)])
def test_a_batch_too_small_for_a_divergence_has_that_of_the_others(weight: float, sizes: tuple[int, int]) -> None:
    """Loss = reconstruction + rate + weight * divergence; the last batch, of one example, has no divergence."""
    metric, (reconstruction, rate) = SplitTerms(), torch.tensor([[1.0, 3.0, 8.0], [0.5, 0.7, 0.1]])
    first, second = sizes
    for i, (n, divergence) in enumerate([(first, 0.2), (second, 0.4), (1, None)]):
        given = None if divergence is None else torch.tensor(divergence)
        loss = reconstruction[i] + rate[i] + weight * (divergence or 0)
        metric.update(loss, reconstruction[i], rate[i], given, n, divergence_weight=weight)
    terms = metric.compute()
    assert terms["divergence"] == pytest.approx((first * 0.2 + second * 0.4) / (first + second))
    assert terms["reconstruction"] == pytest.approx((first * 1 + second * 3 + 8) / (first + second + 1))
    expected = terms["reconstruction"] + terms["rate"] + weight * terms["divergence"]
    assert terms["loss"] == pytest.approx(float(expected))


@pytest.mark.parametrize("weight", [5.0, 0.5, 0.0])
def test_a_split_without_any_divergence_has_a_loss_and_a_warning(
    weight: float, caplog: pytest.LogCaptureFixture
) -> None:
    objective_terms._warn_once.cache_clear()
    one, metric = torch.tensor(1.0), SplitTerms()
    metric.update(one, one, one, None, 1, divergence_weight=weight)
    for _ in range(2):
        terms = metric.compute()
        assert math.isnan(terms["divergence"])
        assert terms["loss"] == 1
    assert len(caplog.messages) == (weight > 0)


def test_a_broken_divergence_is_not_hidden_and_one_without_weight_breaks_nothing() -> None:
    one, nan = torch.tensor(1.0), torch.tensor(math.nan)
    unweighted = SplitTerms()
    unweighted.update(one, one, one, nan, 10)
    assert unweighted.compute()["loss"] == 1
    broken = SplitTerms()
    broken.update(nan, one, one, nan, 10, divergence_weight=5.0)
    broken.update(one, one, one, None, 1, divergence_weight=5.0)
    assert math.isnan(broken.compute()["loss"])


@pytest.mark.parametrize("n", [2, 3])
def test_why_two_codes_have_no_standard_error_is_known(n: int) -> None:
    metric = MMDToPrior(StandardNormal(2))
    found = measure(metric, codes_of(torch.randn(n, 2), torch.ones(n, 2)), n)
    assert found["mmd_standardized"] == pytest.approx(found["mmd"] / null_deviation(n, 2, 2.0))
    assert math.isnan(found["mmd_standard_error"]) == (n < 3)
    assert metric.reason == ("an unbiased MMD^2 needs two codes, and its standard error three" if n < 3 else None)
