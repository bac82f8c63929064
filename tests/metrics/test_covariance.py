"""Active units and the spectrum of Cov[q(z)]."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from infovae.codes import Codes
from infovae.metrics.active_units import ActiveUnits, active_units
from infovae.metrics.covariance import TOO_FEW, CovarianceMetric, Moments
from infovae.metrics.covariance_spectrum import CovarianceSpectrum, spectrum
from infovae.metrics.log_det_covariance import LogDetCovariance, log_det
from infovae.priors.gaussian_mixture import GaussianMixture
from infovae.priors.prior import Prior
from infovae.priors.standard_normal import StandardNormal
from infovae.priors.uniform import Uniform


def measure(metric: CovarianceMetric, mean: Tensor, variance: Tensor, batch: int = 64) -> dict[str, float]:
    for m, v in zip(mean.split(batch), variance.split(batch), strict=True):
        metric.update(Codes(m, m, v, len(mean)))
    found: dict[str, Tensor] = metric.compute()
    found.pop("covariance_eigenvalues", None)
    return {name: value.item() for name, value in found.items()}


@pytest.mark.parametrize(
    "prior", [GaussianMixture(3, radius=4), GaussianMixture(2), Uniform(5, half_width=0.5), Uniform(3)]
)
def test_the_ideal_is_the_size_of_the_prior_whatever_that_is(prior: Prior) -> None:
    """The dimensions of these are uncorrelated. Draws are off by sqrt(2 d/n) in standard deviation."""
    d = prior.latent_dim
    mean = torch.randn(40, d)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    measured = measure(LogDetCovariance(prior), mean, torch.ones_like(mean))
    assert torch.equal(torch.get_rng_state(), state)
    variance = prior.distribution().variance.double()
    expected = variance.log().sum().item()
    assert measured["prior_log_det_covariance"] == pytest.approx(expected, abs=5 * math.sqrt(2 * d / 1e5))
    assert measure(LogDetCovariance(StandardNormal(d)), mean, mean**2).keys() == {"log_det_covariance"}


@pytest.mark.parametrize("deviation", [0.09, 0.11])
def test_active_units_are_those_whose_means_vary_whatever_the_variance(deviation: float) -> None:
    n = 100
    signs = torch.ones(n).double()
    signs[::2] = -1
    # Sample variance of +-s is s^2 n / (n - 1): 0.00818 and 0.0122.
    mean = torch.stack([signs, deviation * signs, 5 + 0 * signs], dim=1)
    measured = measure(ActiveUnits(StandardNormal(3)), mean, torch.ones(n, 3), 7)
    assert measured == {"active_units": 1 + (deviation > 0.1)}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_redundant_dimensions_at_an_offset_have_an_eigenvalue_of_0(dtype: torch.dtype) -> None:
    for seed in range(20):
        torch.manual_seed(seed)
        free = torch.randn(300, 2, dtype=dtype)
        mean = torch.cat([free, free @ torch.randn(2, 1, dtype=dtype)], dim=1) + 10
        measured = measure(CovarianceSpectrum(StandardNormal(3)), mean, torch.zeros_like(mean))
        assert measured["covariance_smallest_eigenvalue"] == 0
        assert measured["covariance_condition_number"] == math.inf


def test_rounding_noise_is_that_of_the_codes_own_precision() -> None:
    mean = 3 + 2 * torch.randn(50, 2)
    noise = Moments.of(Codes(mean, mean, torch.ones(50, 2), 50)).noise().numpy()
    expected = np.finfo(np.float32).eps ** 2 * (mean.numpy().mean(axis=0) ** 2 + mean.numpy().var(axis=0, ddof=1))
    assert noise == pytest.approx(expected, rel=1e-5, abs=0)
    single = Codes(mean, mean, mean, len(mean))
    merged = Moments.of(single).merged(Moments.of(single.map(Tensor.double)))
    assert merged.precision == torch.finfo(torch.float32).eps


@pytest.mark.parametrize(("n", "reason"), [(1, TOO_FEW), (2, None), (3, None)])
def test_a_single_example_is_the_reason(n: int, reason: str | None) -> None:
    metric = ActiveUnits(StandardNormal(2))
    measure(metric, torch.randn(n, 2), torch.ones(n, 2))
    assert metric.reason == reason


def test_the_spectrum_of_one_dimension_is_a_vector() -> None:
    metric = CovarianceSpectrum(StandardNormal(1))
    mean = torch.randn(20, 1)
    metric.update(Codes(mean, mean, torch.ones(20, 1), 20))
    assert metric.compute()["covariance_eigenvalues"].tolist() == [pytest.approx(1 + float(mean.var()), rel=1e-6)]


@pytest.mark.parametrize("threshold", [-1.0, math.inf, math.nan])
def test_an_impossible_threshold_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match=f"threshold={threshold}: .*accepted: "):
        ActiveUnits(StandardNormal(2), threshold=threshold)


def test_active_units_are_above_the_threshold() -> None:
    assert active_units(torch.tensor([0.0, 0.5, 0.75]).double(), 0.5) == 1
    mean = torch.randn(9, 2) * torch.tensor([1.0, 0.0])
    assert measure(ActiveUnits(StandardNormal(2), threshold=0.0), mean, torch.ones(9, 2)) == {"active_units": 1}


def test_the_spectrum_of_any_unit_keeps_its_digits() -> None:
    """What rounding leaves of a 0 is a share of the largest eigenvalue."""
    for unit in (1e-20, 1.0, 1e20):
        values = unit * torch.tensor([1e-16, 1e-3, 1.0], dtype=torch.float64)
        assert (spectrum(torch.diag(values)) / unit).tolist() == pytest.approx([0.0, 1e-3, 1.0], abs=0)


@pytest.mark.parametrize(
    ("mean", "reason"),
    [
        ([[0.0, 0.0], [1.0, 1.0]], None),  # singular, with a largest eigenvalue of 1
        ([[0.5, 0.5], [0.5, 0.5]], "the codes don't vary"),
        ([[0.0, 0.0], [1.0, -2.0], [4.0, 0.0]], None),
    ],
)
def test_why_a_spectrum_says_nothing_is_known(mean: list[list[float]], reason: str | None) -> None:
    metric = CovarianceSpectrum(StandardNormal(2))
    measure(metric, torch.tensor(mean), torch.zeros(len(mean), 2))
    assert metric.reason == reason


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 6), st.integers(1, 50))
def test_the_spectrum_is_numpys_whatever_the_batch(d: int, batch: int) -> None:
    torch.manual_seed(0)
    mean = torch.randn(50, d).double() @ torch.randn(d, d).double() + 3
    variance = torch.rand(50, d).double()
    covariance = np.cov(mean.T.numpy()).reshape(d, d) + np.diag(variance.mean(dim=0).numpy())
    expected = np.linalg.eigvalsh(covariance)
    assert measure(CovarianceSpectrum(StandardNormal(d)), mean, variance, batch) == pytest.approx(
        {
            "covariance_smallest_eigenvalue": expected[0],
            "covariance_largest_eigenvalue": expected[-1],
            "covariance_condition_number": expected[-1] / expected[0],
        }
    )
    metric = CovarianceSpectrum(StandardNormal(d))
    metric.update(Codes(mean, mean, variance, 50))
    assert metric.compute()["covariance_eigenvalues"].numpy() == pytest.approx(expected)


def test_a_singular_covariance_has_no_finite_condition_number() -> None:
    line = torch.randn(100, 1).double() @ torch.tensor([[1.0, 2.0]]).double()
    measured = measure(CovarianceSpectrum(StandardNormal(2)), line, torch.zeros(100, 2))
    assert measured["covariance_smallest_eigenvalue"] == 0
    assert measured["covariance_condition_number"] == math.inf


def test_an_infinite_covariance_isn_t_called_singular() -> None:
    assert math.isnan(log_det(torch.diag(torch.tensor([math.inf, 1.0]))))


def test_one_example_and_broken_codes_are_told_not_crashed_on() -> None:
    still = measure(CovarianceSpectrum(StandardNormal(2)), torch.ones(5, 2), torch.zeros(5, 2))
    assert still["covariance_largest_eigenvalue"] == 0
    assert math.isnan(still["covariance_condition_number"])
    assert bool(spectrum(torch.full((3, 3), torch.nan).double()).isnan().all())
