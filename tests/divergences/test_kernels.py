import math
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import pairwise

from infovae.divergences.bandwidths import MEDIAN_POINTS, squared_bandwidth
from infovae.divergences.kernels import (
    Energy,
    Gaussian,
    GaussianSum,
    InverseMultiquadratic,
    Kernel,
    Laplacian,
    NormalMeanKernel,
    RationalQuadratic,
    is_far,
    squared_distances,
)

KERNELS = [Gaussian(), GaussianSum(), InverseMultiquadratic(), RationalQuadratic(), Laplacian(), Energy()]
SMOOTH = [kernel for kernel in KERNELS if kernel.smooth]


def name(kernel: Kernel) -> str:
    return type(kernel).__name__


def radial(kernel: Kernel, distance: float, a: float) -> float:
    """k by its textbook formula, one number at a time."""
    s, sigma = distance**2, math.sqrt(a)
    if isinstance(kernel, Gaussian):
        return math.exp(-s / (2 * a))
    if isinstance(kernel, GaussianSum):
        terms = [math.exp(-s / (2 * a * multiplier**2)) for multiplier in kernel.multipliers]
        return sum(terms) / len(terms)
    if isinstance(kernel, InverseMultiquadratic):
        return 2 * a / (2 * a + s)
    if isinstance(kernel, RationalQuadratic):
        return float((1 + s / (2 * kernel.alpha * a)) ** -kernel.alpha)
    if isinstance(kernel, Laplacian):
        return math.exp(-distance / sigma)
    assert isinstance(kernel, Energy)
    return -distance / sigma


@pytest.mark.parametrize("kernel", KERNELS, ids=name)
def test_kernel_is_its_formula(kernel: Kernel) -> None:
    distances = torch.tensor([0.0, 1e-3, 0.5, 1.0, 3.0, 40.0], dtype=torch.float64)
    for a in (0.25, 1.0, 7.0):
        expected = [radial(kernel, distance, a) for distance in distances.tolist()]
        torch.testing.assert_close(kernel.evaluate(distances.square(), a), torch.tensor(expected, dtype=torch.float64))


@dataclass(frozen=True)
class OwnKernel(Kernel):
    """A user's kernel with nothing but a value; autograd must do the rest."""

    def evaluate(self, squared_distance: torch.Tensor, squared_bandwidth: float | torch.Tensor) -> torch.Tensor:
        return 1 / (1 + squared_distance / (2 * squared_bandwidth))


def test_kernels_without_derivatives_get_autograds() -> None:
    s = torch.linspace(0, 20, 40, dtype=torch.float64)
    for order in (0, 1, 2, 3):
        with torch.inference_mode():
            found = OwnKernel().derivatives(s, 2.0, order)
        torch.testing.assert_close(found, InverseMultiquadratic().derivatives(s, 2.0, order))
        assert not any(term.requires_grad for term in found)
    s[0] = -1e-9  # as rounding may leave it
    value, slope, factor = OwnKernel().on_scaled(s.clone(), 2.0, wants_slope=True)
    torch.testing.assert_close([value, slope * factor], InverseMultiquadratic().derivatives(s.clamp_min(0), 2.0, 1))


def test_defaults_are_those_of_the_docstrings() -> None:
    s = torch.linspace(0, 20, 40, dtype=torch.float64)
    gaussians = [torch.exp(-s / (2 * 3.0 * multiplier**2)) for multiplier in (1 / 4, 1 / 2, 1, 2, 4)]
    torch.testing.assert_close(GaussianSum().evaluate(s, 3.0), sum(gaussians) / 5)
    torch.testing.assert_close(RationalQuadratic().evaluate(s, 3.0), (1 + s / 3.0) ** -0.5)
    assert squared_bandwidth(Energy().bandwidth, torch.randn(9, 4)) == 1  # MMD^2 is the energy distance


def test_a_sum_of_one_gaussian_is_that_gaussian() -> None:
    """Multipliers are factors of sigma, so their squares are factors of sigma^2."""
    s, one, wider = torch.linspace(0, 20, 40, dtype=torch.float64), GaussianSum(multipliers=(2.0,)), Gaussian()
    torch.testing.assert_close(one.evaluate(s, 3.0), wider.evaluate(s, 12.0))
    torch.testing.assert_close(one.derivatives(s, 3.0, 2), wider.derivatives(s, 12.0, 2))
    torch.testing.assert_close(one.normal_mean_derivatives(s, 5, 3.0), wider.normal_mean_derivatives(s, 5, 12.0))
    assert one.normal_mean_mean(5, 3.0) == wider.normal_mean_mean(5, 12.0)


@pytest.mark.parametrize("kernel", KERNELS, ids=name)
def test_height_is_the_value_at_zero(kernel: Kernel) -> None:
    for dtype in (torch.float32, torch.float64):
        assert kernel.evaluate(torch.zeros(1, dtype=dtype), 3.0).item() == pytest.approx(kernel.height, abs=1e-18)


def test_gaussian_agrees_with_scikit_learn() -> None:
    x, y = torch.randn(30, 4, dtype=torch.float64), torch.randn(20, 4, dtype=torch.float64)
    expected = torch.from_numpy(pairwise.rbf_kernel(x.numpy(), y.numpy(), gamma=1 / 6))
    torch.testing.assert_close(Gaussian().evaluate(squared_distances(x, y), 3.0), expected)


def test_laplacian_agrees_with_scikit_learn_in_one_dimension() -> None:
    # Theirs is of the L1 norm, which in one dimension is ours.
    x, y = torch.randn(30, 1, dtype=torch.float64), torch.randn(20, 1, dtype=torch.float64)
    expected = torch.from_numpy(pairwise.laplacian_kernel(x.numpy(), y.numpy(), gamma=0.5))
    torch.testing.assert_close(Laplacian().evaluate(squared_distances(x, y), 4.0), expected)


def test_energy_agrees_with_scikit_learn() -> None:
    x, y = torch.randn(30, 5, dtype=torch.float64), torch.randn(20, 5, dtype=torch.float64)
    expected = -torch.from_numpy(pairwise.euclidean_distances(x.numpy(), y.numpy()))
    torch.testing.assert_close(Energy().evaluate(squared_distances(x, y), 1.0), expected)


def test_rational_quadratic_lies_between_imq_and_gaussian() -> None:
    s = torch.linspace(0, 9, 50, dtype=torch.float64)
    torch.testing.assert_close(RationalQuadratic(alpha=1.0).evaluate(s, 2.0), InverseMultiquadratic().evaluate(s, 2.0))
    # (1 + t / alpha)^-alpha = exp(-t + t^2 / (2 alpha) - ...), t <= 2.25
    error = (RationalQuadratic(alpha=1e6).evaluate(s, 2.0) - Gaussian().evaluate(s, 2.0)).abs().max()
    assert error <= 2.25**2 / 2e6


@pytest.mark.parametrize("kernel", KERNELS, ids=name)
def test_derivatives_are_autograds(kernel: Kernel) -> None:
    s = torch.linspace(0.1, 20, 40, dtype=torch.float64, requires_grad=True)
    value = kernel.evaluate(s, 2.0)
    (slope,) = torch.autograd.grad(value.sum(), s, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), s, create_graph=True)
    (third,) = torch.autograd.grad(curvature.sum(), s)
    found = kernel.derivatives(s.detach(), 2.0, order=3)
    torch.testing.assert_close(found, [value.detach(), slope.detach(), curvature.detach(), third])
    assert len(kernel.derivatives(s.detach(), 2.0, order=0)) == 1


@pytest.mark.parametrize("kernel", KERNELS, ids=name)
def test_scaled_distances_give_the_same_kernel(kernel: Kernel) -> None:
    s = torch.linspace(0.1, 20, 40, dtype=torch.float64)
    value, slope, factor = kernel.on_scaled(s * kernel.distance_scale(2.0), 2.0, wants_slope=True)
    torch.testing.assert_close([value, slope * factor], kernel.derivatives(s, 2.0, order=1))
    # What rounding has put on the other side of 0 is at distance 0.
    value, _, _ = kernel.on_scaled(torch.full((1,), -0.1) * kernel.distance_scale(2.0), 2.0, wants_slope=False)
    assert value.item() == pytest.approx(kernel.height, abs=1e-18)


@pytest.mark.parametrize("kernel", KERNELS, ids=name)
def test_derivatives_exist_in_inference_mode(kernel: Kernel) -> None:
    expected = kernel.derivatives(torch.linspace(1, 2, 5), 1.0, order=2)
    with torch.inference_mode():
        found = kernel.derivatives(torch.linspace(1, 2, 5), 1.0, order=2)
    torch.testing.assert_close([term.clone() for term in found], expected)


@pytest.mark.parametrize("kernel", KERNELS, ids=name)
def test_gradient_at_zero_distance_is_finite(kernel: Kernel) -> None:
    for dtype in (torch.float32, torch.float64):
        _, slope = kernel.derivatives(torch.zeros(3, dtype=dtype), 1.0, order=1)
        assert slope.isfinite().all()
        if not kernel.smooth:
            assert (slope == 0).all()


@pytest.mark.parametrize("kernel", KERNELS, ids=name)
@pytest.mark.parametrize("squared", [0.5, torch.tensor(0.5)], ids=["number", "tensor"])
def test_bandwidth_scales_lengths(kernel: Kernel, squared: float | torch.Tensor) -> None:
    s = torch.rand(10) * 5
    torch.testing.assert_close(kernel.evaluate(s, squared), kernel.evaluate(s * 4, squared * 4))


@pytest.mark.parametrize("kernel", [Gaussian(), GaussianSum()], ids=name)
# Not narrow and many-dimensional at once: the mean then hangs on draws too rare for a standard error to be one.
@pytest.mark.parametrize(("d", "a"), [(1, 0.5), (3, 0.5), (3, 4.0), (20, 20.0)])
def test_normal_means_match_monte_carlo(kernel: NormalMeanKernel, d: int, a: float) -> None:
    torch.manual_seed(d)
    draws = 100_000
    z = 1.5 * torch.randn(4, d, dtype=torch.float64)
    y = torch.randn(draws, d, dtype=torch.float64)
    values = kernel.evaluate(squared_distances(z, y), a)
    error = (values.mean(dim=1) - kernel.normal_mean(z, a)).abs()
    assert (error <= 5 * values.std(dim=1) / draws**0.5).all()
    pairs = kernel.evaluate((y - torch.randn_like(y)).square().sum(dim=1), a)
    assert abs(pairs.mean() - kernel.normal_mean_mean(d, a)) <= 5 * pairs.std() / draws**0.5


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
def test_distances_survive_a_common_offset(offset: float) -> None:
    x, y = torch.randn(50, 10), torch.randn(40, 10)
    # Adding the offset rounds the points themselves; what is measured from those must be right.
    x, y = x + offset, y + offset
    exact = squared_distances(x.double(), y.double())
    norms = (x.double() - y.double().mean(dim=0)).square().sum(dim=1).max()
    # The shift itself is the mean of numbers of the offset's size, which moves both alike.
    bound = 50 * torch.finfo(torch.float32).eps * (norms + exact.max())
    assert (squared_distances(x, y) - exact).abs().max() <= bound


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 30), st.sampled_from([1e-12, 1e-3, 1.0, 1e4, 1e12]))
def test_distances_match_differences(n: int, m: int, d: int, scale: float) -> None:
    torch.manual_seed(0)
    x, y = scale * torch.randn(n, d), scale * torch.randn(m, d)
    exact = (x.double()[:, None] - y.double()).square().sum(dim=2)
    found = squared_distances(x, y)
    assert found.shape == (n, m)
    assert (found >= 0).all()
    size = (x.square().sum(dim=1).max() + y.square().sum(dim=1).max()).double()
    assert ((found - exact).abs() <= 8 * (d + 4) * torch.finfo(torch.float32).eps * size).all()


def test_batched_distances_are_those_of_each_batch() -> None:
    x, y = torch.randn(3, 5, 4, dtype=torch.float64), torch.randn(3, 6, 4, dtype=torch.float64)
    found = squared_distances(x, y)
    for i in range(3):
        torch.testing.assert_close(found[i], squared_distances(x[i], y[i]))


def test_no_distance_is_below_0() -> None:
    """Between points that coincide, the three terms cancel to some eps of either sign."""
    x = 10 * torch.randn(8, 64, 20)
    for points in (x, x[0]):
        norms = points.square().sum(dim=-1)
        assert (norms[..., :, None] - 2 * points @ points.mT + norms[..., None, :]).min() < 0
        assert squared_distances(points, points).min() >= 0


@pytest.mark.parametrize("scales", [(1e3, 1.0), (1.0, 1e3)], ids=["x", "y"])
def test_distances_to_far_points_are_rounded_once(scales: tuple[float, float]) -> None:
    """The product is computed in float64 if either sample is far from the centre of y."""
    x, y = scales[0] * torch.randn(50, 10), scales[1] * torch.randn(2, 25, 10)
    y = torch.cat([y[0], -y[0]])  # the mean is 0, so float32 doesn't round the shift
    exact = (x.double()[:, None] - y.double()).square().sum(dim=2)
    assert torch.equal(squared_distances(x, y), exact.float())


def test_points_are_far_from_32_on() -> None:
    assert not is_far(torch.tensor([[32.0, -32.0]]))
    assert is_far(torch.tensor([[0.0, -32.5]]))
    assert not is_far(torch.tensor([[31.5, 0.0]]))
    assert is_far(torch.tensor([[100.0]]))
    assert not is_far(torch.tensor([[100.0]], dtype=torch.float64))
    assert not is_far(torch.empty(0, 3))


def test_bandwidth_rules() -> None:
    torch.manual_seed(0)
    points = torch.randn(41, 6, dtype=torch.float64)
    between = sorted((points[i] - points[j]).norm().item() for i in range(41) for j in range(i))
    median = between[(len(between) - 1) // 2]
    assert squared_bandwidth("2d", points) == 6
    assert squared_bandwidth("authors", points) == 18
    assert squared_bandwidth(3.0, points) == 9
    assert float(squared_bandwidth("median", points)) == pytest.approx(median**2)
    h = median**2 / math.log(42)
    assert float(squared_bandwidth("svgd", points)) == pytest.approx(h / 2)


def test_median_of_many_points_is_close_to_that_of_all() -> None:
    torch.manual_seed(0)
    points = torch.randn(3000, 8, dtype=torch.float64)
    # A median of m independent numbers errs by 1 / (2 f(median) sqrt(m)); 256 disjoint pairs bound it from above.
    distances = torch.pdist(points)
    median = distances.median()
    density = ((distances - median).abs() < 0.05).double().mean() / 0.1
    assert abs(float(squared_bandwidth("median", points)) ** 0.5 - median) <= 5 / (2 * density * 256**0.5)


def test_medians_are_of_512_points_at_most_and_may_be_small() -> None:
    points = 1e-2 * torch.randn(2 * MEDIAN_POINTS + 1, 3, dtype=torch.float64)
    for count, step in [(512, 1), (513, 2), (1024, 2), (1025, 3)]:
        expected = torch.pdist(points[:count:step]).median().square()
        torch.testing.assert_close(squared_bandwidth("median", points[:count]), expected)


@pytest.mark.parametrize("rule", ["median", "svgd"])
@pytest.mark.parametrize("points", [torch.zeros(1, 3), torch.ones(7, 3)], ids=["one", "coinciding"])
def test_median_without_distances_falls_back(rule: str, points: torch.Tensor) -> None:
    divisor = 2 * math.log(len(points) + 1) if rule == "svgd" else 1
    assert float(squared_bandwidth(rule, points)) == pytest.approx(3 / divisor)  # type: ignore[arg-type]


@pytest.mark.parametrize("bandwidth", [0.0, -1.0, math.inf, math.nan])
def test_impossible_bandwidths_are_refused(bandwidth: float) -> None:
    with pytest.raises(ValueError, match=r"bandwidth=.*accepted: 2d, authors, median, svgd or a number above 0"):
        Gaussian(bandwidth)


def test_impossible_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="alpha=0"):
        RationalQuadratic(alpha=0.0)
    with pytest.raises(ValueError, match="multipliers="):
        GaussianSum(multipliers=())
    for multiplier in (0.0, -0.5):
        with pytest.raises(ValueError, match="multipliers="):
            GaussianSum(multipliers=(1.0, multiplier))
