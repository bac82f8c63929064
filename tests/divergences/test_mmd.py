import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import energy_distance
from test_kernels import KERNELS, name, radial
from torch import Tensor

from infovae.codes import Codes
from infovae.divergences.kernels import Energy, Gaussian, GaussianSum, InverseMultiquadratic, Kernel, Laplacian
from infovae.divergences.mmd import MMD, mmd_squared, mmd_squared_to_standard_normal
from infovae.priors.standard_normal import StandardNormal
from infovae.priors.uniform import Uniform


def codes(z: Tensor) -> Codes:
    return Codes(z, z, torch.zeros_like(z), len(z))


def double_loop(z_q: Tensor, z_p: Tensor, kernel: Kernel, a: float, estimator: str) -> float:
    """The definition, pair by pair in plain Python."""

    def k(x: Tensor, y: Tensor) -> float:
        return radial(kernel, math.dist(x.tolist(), y.tolist()), a)

    def within(points: Tensor) -> float:
        pairs = itertools.permutations(points, 2) if estimator == "u" else itertools.product(points, repeat=2)
        values = [k(x, y) for x, y in pairs]
        return sum(values) / len(values)

    between = [k(x, y) for x, y in itertools.product(z_q, z_p)]
    return within(z_q) - 2 * sum(between) / len(between) + within(z_p)


@pytest.mark.parametrize("kernel", KERNELS, ids=name)
@pytest.mark.parametrize("estimator", ["u", "v"])
@pytest.mark.parametrize(("n", "m", "d"), [(2, 2, 1), (7, 7, 3), (11, 5, 4)])
def test_value_is_the_double_loop(kernel: Kernel, estimator: str, n: int, m: int, d: int) -> None:
    torch.manual_seed(n)
    z_q, z_p = 1.3 * torch.randn(n, d, dtype=torch.float64) + 0.4, torch.randn(m, d, dtype=torch.float64)
    found = mmd_squared(z_q, z_p, kernel, 2.5, estimator)  # type: ignore[arg-type]
    assert found.item() == pytest.approx(double_loop(z_q, z_p, kernel, 2.5, estimator), rel=1e-10, abs=1e-12)


def test_value_is_not_divided_twice() -> None:
    """Two samples that no kernel confuses are at distance 2, whatever their size: no further 1 / (n (n - 1))."""
    for n in (10, 300):
        z_q, z_p = 1e-3 * torch.randn(n, 3), 1e3 + 1e-3 * torch.randn(n, 3)
        assert mmd_squared(z_q, z_p, Gaussian(), 3.0, "u").item() == pytest.approx(2, rel=1e-4)
        assert MMD(Gaussian(3.0))(codes(z_p), StandardNormal(3)).item() > 1


def population_mmd_squared(d: int, mean: float, scale: float, a: float) -> float:
    """MMD^2 between N((mean, ..., mean), scale^2 I) and N(0, I) for exp(-s / (2 a)).

    x - y is Gaussian with variance v a coordinate, and E exp(-t^2 / (2 a)) = sqrt(a / (a + v)) exp(-m^2 / (2 (a + v))).
    """
    within_q = (a / (a + 2 * scale**2)) ** (d / 2)
    within_p = (a / (a + 2)) ** (d / 2)
    spread = a + 1 + scale**2
    return within_q - 2 * (a / spread) ** (d / 2) * math.exp(-d * mean**2 / (2 * spread)) + within_p


@pytest.mark.parametrize("d", [1, 10, 64])
@pytest.mark.parametrize(("mean", "scale"), [(0.0, 1.0), (0.3, 1.0), (0.0, 1.3), (0.0, 0.5), (-0.2, 2.0)])
def test_u_statistic_is_unbiased_for_gaussians(d: int, mean: float, scale: float) -> None:
    torch.manual_seed(d)
    repetitions, n = 50, 40
    population = population_mmd_squared(d, mean, scale, float(d))
    sampled, exact = [], []
    for _ in range(repetitions):
        z_q = mean + scale * torch.randn(n, d, dtype=torch.float64)
        z_p = torch.randn(n, d, dtype=torch.float64)
        sampled.append(mmd_squared(z_q, z_p, Gaussian(), float(d)))
        exact.append(mmd_squared_to_standard_normal(z_q, Gaussian(), float(d)))
    for values in (torch.stack(sampled), torch.stack(exact)):
        assert abs(values.mean() - population) <= 5 * values.std() / repetitions**0.5
    assert torch.stack(exact).std() < torch.stack(sampled).std()


@pytest.mark.parametrize("d", [1, 10, 64])
def test_population_value_grows_as_q_moves_away(d: int) -> None:
    torch.manual_seed(0)
    n = 2000
    kernel = Gaussian()

    def value(z: Tensor) -> float:
        return mmd_squared_to_standard_normal(z, kernel, float(d)).item()

    z = torch.randn(n, d, dtype=torch.float64)
    signs = torch.ones(n, 1, dtype=torch.float64)
    signs[::2] = -1
    for moved in (
        [z + shift / d**0.5 for shift in (0, 0.5, 1, 2)],
        [z * scale for scale in (1, 1.3, 2)],
        [z * scale for scale in (1, 0.75, 0.5)],
        [z + signs * shift / d**0.5 for shift in (0, 1, 2, 4)],
    ):
        values = [value(points) for points in moved]
        assert values == sorted(values)
        assert len(set(values)) == len(values)


@pytest.mark.parametrize("kernel", [Gaussian(), GaussianSum()], ids=name)
@pytest.mark.parametrize("estimator", ["u", "v"])
def test_exact_prior_terms_are_the_limit_of_sampled_ones(kernel: Gaussian | GaussianSum, estimator: str) -> None:
    torch.manual_seed(0)
    z = 1.5 * torch.randn(40, 3, dtype=torch.float64)
    exact = mmd_squared_to_standard_normal(z, kernel, 3.0, estimator)  # type: ignore[arg-type]
    values = []
    for _ in range(49):
        y = torch.randn(100, 3, dtype=torch.float64)
        values.append(mmd_squared(z, y, kernel, 3.0, "u"))
    mean, error = torch.stack(values).mean(), torch.stack(values).std() / 7
    if estimator == "v":  # unlike in y, where v would be biased, the pairs of each z with itself count here
        n = len(z)
        pairs = kernel.evaluate(torch.cdist(z, z).square(), 3.0)
        mean = mean + pairs.mean() - (pairs.sum() - n) / (n * (n - 1))
    assert abs(exact - mean) <= 5 * error


@pytest.mark.parametrize("kernel", [Gaussian(), GaussianSum()], ids=name)
@pytest.mark.parametrize("estimator", ["u", "v"])
def test_exact_gradient_is_autograds(kernel: Gaussian | GaussianSum, estimator: str) -> None:
    z = 1.5 * torch.randn(9, 3, dtype=torch.float64, requires_grad=True) + 0.4
    found = mmd_squared_to_standard_normal(z, kernel, 3.0, estimator)  # type: ignore[arg-type]
    pairs = kernel.evaluate((z[:, None] - z).square().sum(dim=2), 3.0)
    within = pairs.mean() if estimator == "v" else (pairs.sum() - pairs.trace()) / 72
    expected = within - 2 * kernel.normal_mean(z, 3.0).mean() + kernel.normal_mean_mean(3, 3.0)
    torch.testing.assert_close(found, expected)
    (gradient,), (expected_gradient,) = torch.autograd.grad(found, z), torch.autograd.grad(expected, z)
    torch.testing.assert_close(gradient, expected_gradient)


def test_energy_kernel_gives_scipys_energy_distance() -> None:
    torch.manual_seed(0)
    z_q, z_p = 2 * torch.randn(50, 1, dtype=torch.float64) + 1, torch.randn(70, 1, dtype=torch.float64)
    expected = energy_distance(z_q[:, 0].numpy(), z_p[:, 0].numpy()) ** 2  # SciPy's is the square root
    assert mmd_squared(z_q, z_p, Energy(), 1.0, "v").item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("kernel", KERNELS, ids=name)
def test_v_statistic_is_never_negative(kernel: Kernel) -> None:
    for seed in range(5):
        torch.manual_seed(seed)
        z = torch.randn(20, 2, dtype=torch.float64)
        assert mmd_squared(z, torch.randn(15, 2, dtype=torch.float64), kernel, 2.0, "v") >= 0
        # Between coinciding points s is known to eps ||z||^2, and a kernel with a kink at 0 to the root of that.
        error = 16 * torch.finfo(z.dtype).eps * z.square().sum(dim=1).max().item()
        same = mmd_squared(z, z[torch.randperm(20)], kernel, 2.0, "v")
        assert abs(same) <= (error if kernel.smooth else error**0.5)


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(KERNELS),
    st.sampled_from(["u", "v"]),
    st.sampled_from(["2d", "authors", "median", "svgd", 0.7]),
    st.integers(2, 12),
    st.integers(1, 12),
    st.sampled_from([1e-8, 1.0, 1e4, 1e10]),
    st.booleans(),
)
def test_any_batch_gives_a_finite_value_and_gradient(
    kernel: Kernel, estimator: str, rule: str | float, n: int, d: int, scale: float, repeated: bool
) -> None:
    torch.manual_seed(n + d)
    z = torch.randn(1, d).repeat(n, 1) if repeated else torch.randn(n, d)
    z = (scale * z).requires_grad_()
    configured = type(kernel)(bandwidth=rule)  # type: ignore[arg-type]
    value = MMD(configured, estimator)(codes(z), StandardNormal(d))  # type: ignore[arg-type]
    value.backward()
    assert value.shape == ()
    assert value.isfinite()
    assert z.grad is not None
    assert z.grad.isfinite().all()


@pytest.mark.parametrize("kernel", [Gaussian(), InverseMultiquadratic(), Laplacian(), Energy()], ids=name)
@pytest.mark.parametrize("d", [1, 10, 64])
def test_single_precision_agrees_with_double(kernel: Kernel, d: int) -> None:
    torch.manual_seed(d)
    z_q, z_p = 1.2 * torch.randn(300, d), torch.randn(300, d)
    exact = mmd_squared(z_q.double(), z_p.double(), kernel, float(d))
    size = max(1.0, 2 * kernel.evaluate(torch.tensor([2.0 * d]), float(d)).abs().item())
    assert abs(mmd_squared(z_q, z_p, kernel, float(d)) - exact) <= 30 * torch.finfo(torch.float32).eps * size


def test_one_point() -> None:
    one, prior = torch.randn(1, 3), StandardNormal(3)
    with pytest.raises(ValueError, match="n=1: a U-statistic compares two points"):
        MMD()(codes(one), prior)
    with pytest.raises(ValueError, match="n=1: a U-statistic compares two points"):
        MMD(prior_terms="exact")(codes(one), prior)
    assert MMD(estimator="v")(codes(one), prior).isfinite()
    assert MMD(estimator="v", prior_terms="exact")(codes(one), prior).isfinite()
    assert (MMD().minimum_batch, MMD(estimator="v").minimum_batch) == (2, 1)


def test_exact_terms_are_refused_where_there_are_none() -> None:
    with pytest.raises(ValueError, match="prior_terms=exact: the Laplacian kernel has no closed form"):
        MMD(Laplacian(), prior_terms="exact")


def test_prior_terms_are_exact_where_they_can_be_unless_sampled() -> None:
    z, kernel = 1.3 * torch.randn(8, 2, dtype=torch.float64), Gaussian()
    standard, uniform = StandardNormal(2).double(), Uniform(2).double()
    exact = mmd_squared_to_standard_normal(z, kernel, 2.0)
    for prior_terms in ("auto", "exact"):
        assert MMD(kernel, prior_terms=prior_terms)(codes(z), standard) == exact  # type: ignore[arg-type]
    for divergence, prior in [
        (MMD(kernel, prior_terms="sampled"), standard),
        (MMD(kernel), uniform),
        (MMD(Laplacian()), standard),
    ]:
        torch.manual_seed(1)
        found = divergence(codes(z), prior)
        torch.manual_seed(1)
        assert found == mmd_squared(z, prior.sample(8), divergence.kernel, 2.0)
