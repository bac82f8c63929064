"""MMD^2 in units of its deviation for q = p: its closed form against quadrature and simulation."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from infovae.codes import Codes
from infovae.divergences.kernels import Gaussian
from infovae.divergences.mmd import mmd_squared_to_standard_normal
from infovae.divergences.mmd_standardized import StandardizedMMD, null_deviation
from infovae.errors import ArgumentError
from infovae.priors.gaussian_mixture import GaussianMixture
from infovae.priors.standard_normal import StandardNormal


def simulated(n: int, d: int, squared_bandwidth: float, repeats: int) -> Tensor:
    """Standardised MMD^2 of samples of the prior."""
    draws, kernel = torch.randn(repeats, n, d).double(), Gaussian()
    pairs = kernel.evaluate(torch.cdist(draws, draws).square(), squared_bandwidth)
    to_prior = kernel.normal_mean(draws.flatten(0, 1), squared_bandwidth).reshape(repeats, n)
    within = (pairs.sum(dim=(1, 2)) - n) / (n * (n - 1))
    mmd = within - 2 * to_prior.mean(dim=1) + kernel.normal_mean_mean(d, squared_bandwidth)
    return mmd / null_deviation(n, d, squared_bandwidth)


@pytest.mark.parametrize("squared_bandwidth", [0.01, 0.3, 1.0, 4.0, 100.0])
def test_the_variance_is_that_of_quadrature_in_one_dimension(squared_bandwidth: float) -> None:
    """E h^2 over a plane, without any of the closed forms; the trapezoid rule is exact for such smooth functions."""
    nodes = np.linspace(-10, 10, 2001)
    weights = np.exp(-(nodes**2) / 2)
    weights = weights / weights.sum()
    kernel = np.exp(-((nodes[:, None] - nodes) ** 2) / (2 * squared_bandwidth))
    mean = kernel @ weights
    h = kernel - mean[:, None] - mean + mean @ weights
    second = weights @ h**2 @ weights
    assert null_deviation(7, 1, squared_bandwidth) == pytest.approx(math.sqrt(second * 2 / 42), rel=1e-9)


@pytest.mark.parametrize("d", [1, 2, 10, 64])
@pytest.mark.parametrize("n", [2, 16, 200])
@pytest.mark.parametrize("share", [0.25, 1.0, 4.0])
def test_codes_from_the_prior_have_mean_0_and_deviation_1(n: int, d: int, share: float) -> None:
    """sigma^2 = share * d. A share of 1 is the default."""
    repeats = 2000 if n < 200 else 200
    values = simulated(n, d, share * d, repeats)
    assert abs(float(values.mean())) < 5 * float(values.std()) / math.sqrt(repeats)
    # The variance of a sample variance is (kurtosis - 1) / repeats; the kurtosis is the sample's own.
    squares = (values - values.mean()).square()
    assert abs(float(squares.mean()) - 1) < 5 * float(squares.std()) / math.sqrt(repeats)


def test_narrow_and_wide_kernels_lose_no_digits() -> None:
    """Limits of E h^2: E k^2 for a narrow kernel in many dimensions, d / a^2 for a wide one."""
    n, narrow, wide = 10, 1e-3, 1e10
    pairs = n * (n - 1) / 2
    expected = math.sqrt((narrow / (narrow + 4)) ** 32 / pairs)
    assert null_deviation(n, 64, narrow) == pytest.approx(expected, rel=1e-9)
    assert null_deviation(n, 3, wide) == pytest.approx(math.sqrt(3 / wide**2 / pairs), rel=1e-6)


def test_value_and_gradient_are_those_of_mmd_in_other_units() -> None:
    z = torch.randn(20, 3).requires_grad_()
    divergence, prior = StandardizedMMD(), StandardNormal(3)
    value = divergence(Codes(z, z, torch.zeros_like(z), 20), prior)
    plain = mmd_squared_to_standard_normal(z, Gaussian(), 3.0)
    unit = null_deviation(20, 3, 3.0)
    torch.testing.assert_close(value, plain / unit)
    (ours,), (theirs,) = torch.autograd.grad(value, z), torch.autograd.grad(plain, z)
    torch.testing.assert_close(ours, theirs / unit)


def test_a_bandwidth_that_depends_on_the_codes_is_refused() -> None:
    with pytest.raises(ArgumentError, match="bandwidth=median: it depends on the codes; accepted: 2d, authors or a"):
        StandardizedMMD("median")
    with pytest.raises(ValueError, match="bandwidth=-1"):
        StandardizedMMD(-1)


def test_another_prior_is_refused() -> None:
    with pytest.raises(ValueError, match=r"prior=GaussianMixture: .*accepted: prior=standard_normal, or "):
        StandardizedMMD().check_prior(GaussianMixture(2))


def test_a_single_code_is_refused() -> None:
    assert StandardizedMMD().minimum_batch == 2
    with pytest.raises(ValueError, match="n=1"):
        null_deviation(1, 2, 2.0)
