import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_kernels import SMOOTH, name
from test_mmd import codes
from torch import Tensor

from infovae.divergences import pair_sum, stein
from infovae.divergences.bandwidths import squared_bandwidth
from infovae.divergences.kernels import Energy, Gaussian, Kernel, Laplacian
from infovae.divergences.stein import Stein, ksd_squared, stein_direction
from infovae.priors.prior import Prior
from infovae.priors.standard_normal import StandardNormal


class Banana(Prior):
    """A density whose score isn't -z, through the score that every prior has."""

    def distribution(self) -> torch.distributions.Distribution:
        raise NotImplementedError

    def log_prob(self, z: Tensor) -> Tensor:
        return -0.5 * z[:, 0] ** 2 - (z[:, 1] - z[:, 0] ** 2) ** 2 - 0.3 * z[:, 2] ** 4


def k(x: Tensor, y: Tensor, kernel: Kernel, a: float) -> Tensor:
    return kernel.evaluate((x - y).square().sum(), a)


@pytest.fixture(params=[5, 10**6], ids=lambda block: f"block{block}")
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_sum, "TILE", request.param)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("kernel", SMOOTH, ids=name)
def test_direction_is_autograds_double_loop(kernel: Kernel) -> None:
    torch.manual_seed(0)
    n, a = 6, 1.4
    z = torch.randn(n, 3, dtype=torch.float64)
    score = Banana(3).score(z)
    expected = torch.zeros_like(z)
    for i in range(n):
        for j in range(n):
            z_j = z[j].clone().requires_grad_()
            value = k(z_j, z[i], kernel, a)
            (gradient,) = torch.autograd.grad(value, z_j)
            expected[i] += (value.detach() * score[j] + gradient) / n
    torch.testing.assert_close(stein_direction(z, score, kernel, a), expected)


def double_loop(x: Tensor, kernel: Kernel, a: float, prior: Prior) -> Tensor:
    """u(x_i, x_j) by its definition, each derivative by autograd."""
    score = prior.score(x)
    u = torch.zeros(len(x), len(x), dtype=x.dtype)
    for i in range(len(x)):
        for j in range(len(x)):
            left, right = x[i].clone().requires_grad_(), x[j].clone().requires_grad_()
            value = k(left, right, kernel, a)
            by_left, by_right = torch.autograd.grad(value, (left, right), create_graph=True)
            trace = sum(torch.autograd.grad(by_left[c], right, retain_graph=True)[0][c] for c in range(x.shape[1]))
            u[i, j] = (value * (score[i] @ score[j]) + score[i] @ by_right + score[j] @ by_left + trace).detach()
    return u


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("kernel", SMOOTH, ids=name)
def test_discrepancy_is_autograds_double_loop(kernel: Kernel) -> None:
    torch.manual_seed(0)
    n, a = 5, 1.4
    z = torch.randn(n, 3, dtype=torch.float64)
    prior = Banana(3)
    u = double_loop(z, kernel, a, prior)
    score = prior.score(z)
    torch.testing.assert_close(ksd_squared(z, score, kernel, a, "v"), u.mean())
    torch.testing.assert_close(ksd_squared(z, score, kernel, a, "u"), (u.sum() - u.trace()) / (n * (n - 1)))


def test_trace_term_is_there() -> None:
    """Collapse onto the mode, where all scores are 0, leaves nothing but the trace: d / sigma^2."""
    z = torch.zeros(10, 7, dtype=torch.float64)
    assert ksd_squared(z, -z, Gaussian(), 2.0, "v").item() == pytest.approx(3.5)
    assert ksd_squared(z, -z, Gaussian(), 2.0, "u").item() == pytest.approx(3.5)


def stein_matrix(z: Tensor) -> Tensor:
    """u(z_i, z_j) for N(0, I) and a Gaussian kernel of sigma^2 = d, by its closed form."""
    d = z.shape[1]
    squared = torch.cdist(z, z, compute_mode="donot_use_mm_for_euclid_dist").square()
    return torch.exp(-squared / (2 * d)) * (z @ z.T + 1 - squared / d - squared / d**2)


def discrepancy(z: Tensor) -> tuple[float, float]:
    """KSD^2 of z to N(0, I), U-statistic, and its standard error (Hoeffding)."""
    n = len(z)
    u = stein_matrix(z)
    diagonal = u.diagonal().clone()
    value = ((u.sum() - diagonal.sum()) / (n * (n - 1))).item()
    projected = ((u.sum(dim=1) - diagonal) / (n - 1)).var().item()
    off_diagonal = u[~torch.eye(n, dtype=torch.bool)].var().item()
    return value, math.sqrt(4 * projected / n + 2 * off_diagonal / (n * (n - 1)))


@pytest.mark.parametrize("d", [1, 10, 64])
def test_zero_for_the_prior_and_growing_away_from_it(d: int) -> None:
    torch.manual_seed(d)
    n = 500
    z = torch.randn(n, d, dtype=torch.float64)
    value, error = discrepancy(z)
    assert abs(value) <= 4 * error
    direction = torch.ones(d, dtype=torch.float64) / d**0.5
    sign = torch.where(torch.arange(n) % 2 == 0, 1.0, -1.0).double()[:, None]
    for moved in (
        [z + size * direction for size in (0.0, 1.0, 2.0, 4.0)],
        [z * scale for scale in (1.0, 0.75, 0.5)],
        [z * scale for scale in (1.0, 1.4, 2.0)],
        [z + size * sign * direction for size in (0.0, 2.0, 4.0, 8.0)],
    ):
        found = [discrepancy(points) for points in moved]
        for (nearer, _), (farther, _) in itertools.pairwise(found):
            assert farther > nearer
        value, error = found[-1]
        assert value > 4 * error  # told apart from the prior, not merely ordered


def test_unit_bandwidth_is_blind_in_64_dimensions() -> None:
    """Why the bandwidth grows with d: an over-dispersed cloud scores 0 under sigma = 1."""
    z = 2 * torch.randn(200, 64, dtype=torch.float64)
    assert abs(ksd_squared(z, -z, Gaussian(), 1.0)) < 1e-10
    assert ksd_squared(z, -z, Gaussian(), 64.0) > 0.1


def test_divergence_reports_ksd_and_hands_over_the_direction() -> None:
    torch.manual_seed(0)
    n, prior = 12, Banana(3)
    z = torch.randn(n, 3, dtype=torch.float64, requires_grad=True)
    score = prior.score(z)
    value = Stein()(codes(z), prior)
    value.backward()
    torch.testing.assert_close(value.detach(), ksd_squared(z.detach(), score, Gaussian(), 3.0))
    bandwidth = squared_bandwidth("median", z)
    torch.testing.assert_close(z.grad, -stein_direction(z.detach(), score, Gaussian(), bandwidth) / n)


def test_gradient_is_that_of_kl_in_the_rkhs() -> None:
    """KL(q || p) falls along phi at the rate (1/n) sum_i <s_i, phi_i> + div phi_i, which is KSD^2 (V-statistic)."""
    torch.manual_seed(0)
    n, a = 30, 2.0
    z = torch.randn(n, 3, dtype=torch.float64)
    score = Banana(3).score(z)

    def phi_at(x: Tensor) -> Tensor:
        """phi of the fixed cloud z, at another place."""
        total = torch.zeros(3, dtype=x.dtype)
        for z_j, s_j in zip(z, score, strict=True):
            s = (z_j - x).square().sum()
            total = total + Gaussian().evaluate(s, a) * (s_j - (z_j - x) / a)
        return total / n

    rise = 0.0
    for z_i, s_i in zip(z, score, strict=True):
        jacobian = torch.autograd.functional.jacobian(phi_at, z_i)
        rise += (s_i @ phi_at(z_i) + jacobian.trace()).item() / n
    assert rise == pytest.approx(ksd_squared(z, score, Gaussian(), a, "v").item(), rel=1e-9)


def test_steps_bring_a_cloud_to_the_prior() -> None:
    torch.manual_seed(0)
    z = 0.3 * torch.randn(100, 2) + 2
    prior = StandardNormal(2)
    for _ in range(300):
        z = z + 0.5 * stein_direction(z, prior.score(z), Gaussian(), squared_bandwidth("svgd", z))
    assert z.mean(dim=0).abs().max() < 0.1
    assert (z.var(dim=0) - 1).abs().max() < 0.25


def test_scale_of_the_gradient_does_not_depend_on_the_batch() -> None:
    """It is that of a mean: n gradients together move the batch's mean alike for every n."""
    pulls = []
    for n in (100, 1000):
        torch.manual_seed(0)
        z = (torch.randn(n, 2) + 1).requires_grad_()
        Stein(Gaussian(1.0))(codes(z), StandardNormal(2)).backward()
        assert z.grad is not None
        pulls.append(z.grad.sum(dim=0))
    # The mean of n values of phi, each at most |s| + 1 or so: standard error about 2 / sqrt(n).
    assert (pulls[0] - pulls[1]).abs().max() <= 4 * 2 / 100**0.5
    assert (pulls[1] > 0.1).all()


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(SMOOTH),
    st.sampled_from(["svgd", "median", "2d", "authors", 0.5]),
    st.integers(2, 10),
    st.integers(1, 10),
    st.sampled_from([1e-6, 1.0, 1e3]),
    st.booleans(),
)
def test_any_batch_gives_a_finite_value_and_gradient(
    kernel: Kernel, rule: str | float, n: int, d: int, scale: float, repeated: bool
) -> None:
    torch.manual_seed(n)
    z = torch.randn(1, d).repeat(n, 1) if repeated else torch.randn(n, d)
    z = (scale * z).requires_grad_()
    value = Stein(type(kernel)(bandwidth=rule))(codes(z), StandardNormal(d))  # type: ignore[arg-type]
    value.backward()
    assert value.shape == ()
    assert value.isfinite()
    assert z.grad is not None
    assert z.grad.isfinite().all()


@pytest.mark.parametrize("d", [1, 10, 64])
def test_single_precision_agrees_with_double(d: int) -> None:
    torch.manual_seed(d)
    z = 1.2 * torch.randn(200, d)
    exact = z.double()
    u = stein_matrix(exact)
    # Each entry is known to some eps of its terms, which are of the size of the squared norms.
    bound = 20 * torch.finfo(torch.float32).eps * (exact.square().sum(dim=1).mean() + u.abs().mean())
    assert abs(ksd_squared(z, -z, Gaussian(), float(d)) - ksd_squared(exact, -exact, Gaussian(), float(d))) <= bound
    direction = stein_direction(exact, -exact, Gaussian(), float(d))
    error = (stein_direction(z, -z, Gaussian(), float(d)) - direction).abs().max()
    assert error <= 50 * torch.finfo(torch.float32).eps * exact.abs().max()


def test_works_in_inference_mode() -> None:
    z = torch.randn(9, 2)
    with torch.inference_mode():
        for kernel in SMOOTH:
            assert Stein(kernel)(codes(z.clone()), StandardNormal(2)).isfinite()


def test_limits() -> None:
    assert stein.Stein.needs == frozenset({"score"})
    assert (Stein().minimum_batch, Stein(estimator="v").minimum_batch) == (2, 1)
    for kernel in (Laplacian(), Energy()):
        with pytest.raises(ValueError, match=f"kernel={name(kernel)}"):
            Stein(kernel)
    with pytest.raises(ValueError, match="bandwidth=0"):
        Stein(value_bandwidth=0.0)


def test_an_offset_costs_no_digits() -> None:
    """A tight cluster 15 from the origin, too near for float64."""
    z = 15 + 0.01 * torch.randn(20, 10)
    exact, a = z.double(), 1e-4
    for function in (stein_direction, ksd_squared):
        found = function(z, 15 - z, Gaussian(), a)
        expected = function(exact, 15 - exact, Gaussian(), a)
        torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())


def test_no_kernel_exceeds_1_by_rounding() -> None:
    """Of 100 far-flung points each has only itself, with k = 1: phi is score / n, and KSD^2 a mean of s^2 + d / a."""
    z, a = (10 * torch.randn(100, 10)).clamp(-31, 31), 1e-3
    phi = stein_direction(z, -z, Gaussian(), a)
    assert (phi.abs() <= 1.01 * z.abs() / 100 + 1e-3).all()
    most = (z.square().sum(dim=1) + 10 / a).mean() / 100
    assert ksd_squared(z, -z, Gaussian(), a, "v") <= 1.0001 * most


def test_skewed_codes_far_from_their_mean_are_measured_in_float64() -> None:
    """The distance from the mean decides, 50 here: that from 0 is at most 41, and that from minus the mean 31."""
    z = 0.2 * torch.randn(60, 2) - 20
    z[:10] += 60
    z = z - z.mean(dim=0) - 10
    value = Stein()(codes(z), StandardNormal(2))
    assert value == Stein()(codes(z.double()), StandardNormal(2)).float()
