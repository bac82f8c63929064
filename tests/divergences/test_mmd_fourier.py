import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_mmd import codes

from infovae.divergences.kernels import Gaussian
from infovae.divergences.mmd import mmd_squared
from infovae.divergences.mmd_fourier import FourierMMD, fourier_mmd_squared
from infovae.priors.standard_normal import StandardNormal


@pytest.mark.parametrize("estimator", ["u", "v"])
def test_value_is_the_double_loop_over_the_features_kernel(estimator: str) -> None:
    torch.manual_seed(0)
    z_q, z_p = torch.randn(7, 3, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    frequencies = torch.randn(11, 3, dtype=torch.float64)

    def kernel(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.cos((x[:, None] - y) @ frequencies.T).mean(dim=2)

    def within(x: torch.Tensor) -> torch.Tensor:
        matrix = kernel(x, x)
        return matrix.mean() if estimator == "v" else (matrix.sum() - len(x)) / (len(x) * (len(x) - 1))

    expected = within(z_q) - 2 * kernel(z_q, z_p).mean() + within(z_p)
    torch.testing.assert_close(fourier_mmd_squared(z_q, z_p, frequencies, estimator), expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("d", [1, 10, 64])
@pytest.mark.parametrize("estimator", ["u", "v"])
def test_features_are_unbiased_for_the_gaussian_kernel(d: int, estimator: str) -> None:
    """Over draws of the frequencies, for the samples at hand: so unbiased over samples where the U-statistic is."""
    torch.manual_seed(d)
    z_q, z_p = 0.5 + 1.5 * torch.randn(20, d, dtype=torch.float64), torch.randn(30, d, dtype=torch.float64)
    exact = mmd_squared(z_q, z_p, Gaussian(), float(d), estimator)  # type: ignore[arg-type]
    values = torch.stack(
        [
            fourier_mmd_squared(z_q, z_p, torch.randn(64, d, dtype=torch.float64) / d**0.5, estimator)  # type: ignore[arg-type]
            for _ in range(100)
        ]
    )
    assert abs(values.mean() - exact) <= 5 * values.std() / 10


def test_configured_bandwidth_is_the_kernels() -> None:
    torch.manual_seed(0)
    z, prior = 2 * torch.randn(50, 4), StandardNormal(4)
    divergence = FourierMMD(bandwidth=0.8, features=2000)
    differences = []
    for seed in range(50):
        torch.manual_seed(seed)
        value = divergence(codes(z), prior)
        torch.manual_seed(seed)
        differences.append(value - mmd_squared(z, prior.sample(50), Gaussian(), 0.64))
    differences = torch.stack(differences)
    assert abs(differences.mean()) <= 5 * differences.std() / 50**0.5


def test_fresh_features_differ_and_fixed_ones_do_not() -> None:
    z = torch.randn(20, 3)
    fresh, fixed = FourierMMD(features=8), FourierMMD(features=8, feature_seed=1)
    assert not torch.equal(fresh._directions(z), fresh._directions(z))
    assert torch.equal(fixed._directions(z), fixed._directions(z))
    assert not torch.equal(fixed._directions(z), FourierMMD(features=8, feature_seed=2)._directions(z))
    before = torch.get_rng_state()
    fixed._directions(z)
    assert torch.equal(before, torch.get_rng_state())


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 9), st.integers(1, 9), st.sampled_from([1e-8, 1.0, 1e4]), st.sampled_from(["2d", "median", 0.3]))
def test_any_batch_gives_a_finite_value_and_gradient(n: int, d: int, scale: float, rule: str | float) -> None:
    torch.manual_seed(n)
    z = (scale * torch.randn(n, d)).requires_grad_()
    value = FourierMMD(rule, features=16)(codes(z), StandardNormal(d))  # type: ignore[arg-type]
    value.backward()
    assert value.shape == ()
    assert value.isfinite()
    assert z.grad is not None
    assert z.grad.isfinite().all()


def test_common_offset_costs_little_precision() -> None:
    torch.manual_seed(0)
    z_q, z_p, frequencies = torch.randn(50, 4) + 1e4, torch.randn(50, 4) + 1e4, torch.randn(100, 4)
    exact = fourier_mmd_squared(z_q.double(), z_p.double(), frequencies.double())
    # Their mean, which is taken off, is known to a few eps of the offset; both samples move alike by that.
    assert abs(fourier_mmd_squared(z_q, z_p, frequencies) - exact) <= 100 * torch.finfo(torch.float32).eps


def test_limits() -> None:
    prior = StandardNormal(2)
    assert (FourierMMD().minimum_batch, FourierMMD(estimator="v").minimum_batch) == (2, 1)
    with pytest.raises(ValueError, match="n=1: a U-statistic compares two points"):
        FourierMMD()(codes(torch.randn(1, 2)), prior)
    assert FourierMMD(estimator="v")(codes(torch.randn(1, 2)), prior) >= 0
    for refused in ({"features": 0}, {"feature_seed": -1}, {"bandwidth": 0.0}):
        with pytest.raises(ValueError, match=next(iter(refused))):
            FourierMMD(**refused)  # type: ignore[arg-type]
    smallest = FourierMMD(features=1, feature_seed=0)
    assert smallest(codes(torch.randn(4, 2)), prior).isfinite()
