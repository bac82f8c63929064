"""Densities and their contours against closed forms."""

import math

import pytest
import torch
from matplotlib.figure import Figure
from pictures.toy import observed
from scipy.stats import gaussian_kde
from torch.distributions import MultivariateNormal, Normal

from infovae.pictures.densities import (
    MASSES,
    aggregate_density,
    draw_contours,
    extent_of,
    levels_of_mass,
    plane,
    prior_density,
    ticks_of,
    widest,
)
from infovae.priors.gaussian_mixture import GaussianMixture
from infovae.priors.standard_normal import StandardNormal
from infovae.priors.uniform import Uniform


def test_the_plane_starts_at_the_upper_left_and_goes_right() -> None:
    points = plane(ticks_of(3, 2.0))
    assert points[0].tolist() == [-2, 2]
    assert points[1].tolist() == [0, 2]
    assert points[-1].tolist() == [2, -2]


def test_contours_of_a_normal_are_its_circles() -> None:
    """Outside a circle of radius r lies exp(-r^2 / 2), where the density is exp(-r^2 / 2) / (2 pi)."""
    rows, extent = 201, 6.0
    density = prior_density(StandardNormal(2), (0, 1), ticks_of(rows, extent), 0.0)
    cell = (2 * extent / (rows - 1)) ** 2
    for level, mass in zip(levels_of_mass(density), sorted(MASSES, reverse=True), strict=True):
        # Up to 8 points of the grid are as far from 0 as each other, so mass is known to 8 cells.
        exact = (1 - mass) / (2 * math.pi)
        assert level == pytest.approx(exact, abs=8 * cell * exact / (2 * math.pi) + 2e-3 * exact)


def test_a_plateau_has_one_contour_just_outside_of_it() -> None:
    density = prior_density(Uniform(2), (0, 1), ticks_of(50, 2.0), 0.0)
    (level,) = levels_of_mass(density)
    assert 0 < level < density.max() == pytest.approx(1 / 12)
    axes = Figure().add_subplot()
    draw_contours(axes, ticks_of(50, 2.0), density, "black", filled=False)
    assert len(axes.collections) == 1


def test_no_contour_where_there_is_no_mass() -> None:
    axes = Figure().add_subplot()
    for density in (torch.zeros(9).double(), torch.full((9,), torch.nan).double()):
        draw_contours(axes, ticks_of(3, 1.0), density, "black", filled=True)
    assert not axes.collections


def test_q_is_the_exact_mixture_of_its_posteriors_in_the_dimensions_asked_for() -> None:
    mean, variance = torch.randn(7, 3).double(), torch.rand(7, 3).double() + 0.1
    ticks, spacing = ticks_of(5, 2.0), 0.1
    found = aggregate_density(observed(mean, variance).codes, (0, 2), ticks, spacing)
    expected = torch.stack(
        [
            MultivariateNormal(centre[[0, 2]], torch.diag(own[[0, 2]] + spacing**2)).log_prob(plane(ticks)).exp()
            for centre, own in zip(mean, variance, strict=True)
        ]
    ).mean(dim=0)
    torch.testing.assert_close(found, expected)


def test_q_of_one_dimension_is_the_mixture_s_marginal() -> None:
    mean, variance = torch.randn(7, 3).double(), torch.rand(7, 3).double() + 0.1
    ticks, spacing = ticks_of(9, 3.0), 0.1
    found = aggregate_density(observed(mean, variance).codes, (2,), ticks, spacing)
    of_each = Normal(mean[:, 2], (variance[:, 2] + spacing**2).sqrt()).log_prob(ticks[:, None]).exp()
    torch.testing.assert_close(found, of_each.mean(dim=1))


def test_q_of_points_is_scipy_s_kernel_estimate() -> None:
    """On points without correlation: ours follows each dimension by itself."""
    cloud = torch.randn(30, 2).double()
    cloud = (cloud - cloud.mean(dim=0)) @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(cloud.T, correction=0))).T
    ticks = ticks_of(5, 2.0)
    found = aggregate_density(observed(cloud, torch.zeros(30, 2)).codes, (0, 1), ticks, 0.0)
    oracle = gaussian_kde(cloud.numpy().T)
    oracle.set_bandwidth(oracle.factor * math.sqrt(29 / 30))  # it divides by n - 1
    torch.testing.assert_close(found, torch.from_numpy(oracle(plane(ticks).numpy().T)))


def test_points_on_a_line_are_drawn_as_wide_as_the_grid_can_show() -> None:
    rows, extent = 81, 4.0
    line = torch.linspace(-2, 2, 200)[:, None] * torch.tensor([1.0, 0.0])
    spacing = 2 * extent / (rows - 1)
    density = aggregate_density(observed(line, torch.zeros(200, 2)).codes, (0, 1), ticks_of(rows, extent), spacing)
    # A Gaussian sampled at distances of its standard deviation sums to 1 within 1e-8 of itself (Poisson summation).
    assert density.sum().item() * spacing**2 == pytest.approx(1, rel=1e-6)
    across = density.reshape(rows, rows)[:, rows // 2]
    assert (across[rows // 2] / across[rows // 2 + 1]).item() == pytest.approx(math.exp(0.5))


def test_the_prior_s_density_in_some_dimensions_is_its_marginal() -> None:
    ticks = ticks_of(5, 2.0)
    points = plane(ticks)
    normal = prior_density(StandardNormal(5), (1, 4), ticks, 0.0)
    torch.testing.assert_close(normal, (-points.square().sum(dim=1) / 2).exp() / (2 * math.pi), rtol=1e-5, atol=0)
    mixture, plain = GaussianMixture(4), prior_density(GaussianMixture(2), (0, 1), ticks, 0.0)
    estimate = prior_density(mixture, (0, 1), ticks_of(200, 6.0), 12 / 199)
    torch.testing.assert_close(plain, GaussianMixture(2).log_prob(points.float()).exp().double())
    # A kernel estimate by Scott's rule has all mass in reach of its points: 10 components of 0.4 at radius 3.
    assert estimate.sum().item() * (12 / 199) ** 2 == pytest.approx(1, abs=1e-2)


def test_the_drawn_square_holds_nearly_all_and_no_more() -> None:
    cloud = torch.linspace(-5, 5, 1001)[:, None]
    assert 5 < extent_of(torch.zeros(3, 1), cloud) < 5.5


def test_the_widest_dimensions_are_of_the_whole_of_q() -> None:
    """Variance within counts as much as variance between."""
    codes = observed(
        torch.randn(500, 3) * torch.tensor([0.1, 1.0, 0.1]), torch.tensor([[0.01, 0.01, 4.0]]).expand(500, 3)
    )
    assert widest(codes.codes) == [1, 2]
    assert widest(observed(torch.randn(5, 1), torch.ones(5, 1)).codes) == [0]
