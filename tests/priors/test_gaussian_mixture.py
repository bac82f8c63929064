import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal

from infovae.priors.gaussian_mixture import GaussianMixture, grid, ring
from infovae.priors.mixture import Mixture, MixturePrior


@settings(deadline=None, max_examples=30)
@given(components=st.integers(3, 40), radius=st.floats(0.1, 10))
def test_a_ring_has_equal_radii_equal_gaps_and_no_preferred_direction(components: int, radius: float) -> None:
    points = ring(components, radius)
    torch.testing.assert_close(points.norm(dim=1), torch.full((components,), radius, dtype=torch.float64))
    gaps = (points - points.roll(1, dims=0)).norm(dim=1)
    torch.testing.assert_close(gaps, torch.full_like(gaps, 2 * radius * math.sin(math.pi / components)))
    covariance = points.T @ points / components
    torch.testing.assert_close(covariance, torch.eye(2, dtype=torch.float64) * radius**2 / 2)


def test_a_grid_fills_its_square() -> None:
    points = grid(3, 2.0, 2)
    assert sorted(map(tuple, points.tolist())) == [(x, y) for x in (-2.0, 0.0, 2.0) for y in (-2.0, 0.0, 2.0)]
    assert grid(5, 2.0, 1).squeeze(1).tolist() == [-2.0, -1.0, 0.0, 1.0, 2.0]
    assert grid(2, 2.0, 1).squeeze(1).tolist() == [-2.0, 2.0]
    assert grid(1, 2.0, 2).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize(
    ("arrangement", "components", "between"), [("ring", 10, 3.0**2 / 2), ("grid", 25, 3.0**2 * 6 / (3 * 4))]
)
def test_the_stated_covariance(arrangement: str, components: int, between: float) -> None:
    prior = GaussianMixture(4, arrangement=arrangement, components=components, radius=3.0, scale=0.4)
    expected = torch.tensor([between + 0.4**2] * 2 + [1.0, 1.0])
    torch.testing.assert_close(prior.distribution().variance, expected)


def test_a_mixture_draws_from_components_of_any_kind_that_can_be_chosen_from() -> None:
    class Components(Distribution):
        mean = torch.zeros(3, 2)

        def take(self, chosen: Tensor) -> Distribution:
            return Independent(Normal(chosen[:, None].expand(-1, 2).float(), 0.01), 1)

    class Other(MixturePrior):
        def components(self) -> Distribution:
            return Components(validate_args=False)

    assert Other(2).sample(100).round().unique().tolist() == [0, 1, 2]


def test_log_prob_and_its_gradients_are_those_of_torch() -> None:
    """Also far from the components, for narrow ones, for other weights, and for points of any shape."""
    mean = (5 * torch.randn(7, 3, dtype=torch.float64)).requires_grad_()
    scale = (10 ** torch.linspace(-4, 1, 21, dtype=torch.float64)).reshape(7, 3).requires_grad_()
    weights = Categorical(logits=torch.randn(7, dtype=torch.float64))
    for shape in ((3,), (4, 3), (2, 5, 3)):
        z = mean.detach()[0] + 10 * torch.randn(shape, dtype=torch.float64)
        found = []
        for kind in (Mixture, MixtureSameFamily):
            point = z.clone().requires_grad_()
            value = kind(weights, Independent(Normal(mean, scale), 1), validate_args=False).log_prob(point)
            assert value.shape == shape[:-1]
            found.append([value, *torch.autograd.grad(value.sum(), [point, mean, scale])])
        torch.testing.assert_close(*found, rtol=1e-7, atol=1e-7)


def test_narrow_components_lose_no_digits_in_single_precision() -> None:
    mean = torch.randn(50, 4)
    components = Independent(Normal(mean, torch.full((50, 4), 1e-3)), 1)
    z = mean + 1e-3 * torch.randn(50, 4)
    exact = Independent(Normal(mean.double(), torch.full((50, 4), 1e-3).double()), 1)
    weights = Categorical(logits=torch.zeros(50))
    expected = MixtureSameFamily(weights, exact).log_prob(z.double())
    torch.testing.assert_close(Mixture(weights, components).log_prob(z).double(), expected, rtol=1e-6, atol=1e-4)


def test_one_component_at_the_origin_is_a_gaussian() -> None:
    prior = GaussianMixture(3, components=1, radius=0.0, scale=1.0)
    z = torch.randn(20, 3)
    expected = torch.distributions.Normal(0, 1).log_prob(z).sum(dim=1)
    torch.testing.assert_close(prior.log_prob(z), expected)
    torch.testing.assert_close(prior.score(z), -z)


def test_further_dimensions_are_standard_normal_and_independent() -> None:
    plane, space = GaussianMixture(2), GaussianMixture(5)
    z = 2 * torch.randn(20, 5)
    rest = torch.distributions.Normal(0, 1).log_prob(z[:, 2:]).sum(dim=1)
    torch.testing.assert_close(space.log_prob(z), plane.log_prob(z[:, :2]) + rest)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"components": 0}, "components=0: invalid; accepted: whole numbers of at least 1"),
        ({"radius": -1.0}, "radius=-1: invalid; accepted:"),
        ({"radius": -0.5}, "radius=-0.5: invalid; accepted:"),
        ({"radius": math.inf}, "radius=inf: invalid; accepted:"),
        ({"scale": math.inf}, "scale=inf: invalid; accepted:"),
        ({"scale": -0.5}, "scale=-0.5: invalid; accepted:"),
        ({"scale": 0.0}, "scale=0: invalid; accepted:"),
        ({"scale": math.nan}, "scale=nan: invalid; accepted:"),
        (
            {"arrangement": "grid", "components": 10},
            "components=10: invalid; accepted: square numbers, for a grid in the plane",
        ),
        ({"latent_dim": 1}, "arrangement=ring: one dimension has no ring"),
    ],
)
def test_refusals(arguments: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        GaussianMixture(**{"latent_dim": 2, **arguments})


def test_one_dimension_has_a_row_of_components() -> None:
    prior = GaussianMixture(1, arrangement="grid", components=3, radius=1.0)
    assert prior.centers.squeeze(1).tolist() == [-1.0, 0.0, 1.0]


def test_a_small_ring_is_a_ring() -> None:
    prior = GaussianMixture(2, components=4, radius=0.5, scale=0.25)
    torch.testing.assert_close(prior.centers, torch.tensor([[0.5, 0], [0, 0.5], [-0.5, 0], [0, -0.5]]))
    torch.testing.assert_close(prior.scales, torch.full((4, 2), 0.25))
