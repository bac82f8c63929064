import math

import numpy as np
import ot
import pytest
import torch
from scipy.stats import wasserstein_distance

from infovae.codes import Codes
from infovae.divergences.sliced_wasserstein import SlicedWasserstein, random_directions, sliced_wasserstein
from infovae.priors.standard_normal import StandardNormal


def samples(n: int, dimension: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, n, dimension, generator=generator, dtype=torch.float64)
    return 1.5 * x + 0.7, y


def as_codes(z: torch.Tensor) -> Codes:
    return Codes(z, z, torch.zeros_like(z), len(z))


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("dimension", [1, 2, 7])
def test_agrees_with_pot_over_the_same_directions(p: float, dimension: int) -> None:
    x, y = samples(60, dimension)
    torch.manual_seed(1)
    directions = random_directions(dimension, 20, x)
    theirs = ot.sliced_wasserstein_distance(x.numpy(), y.numpy(), projections=directions.numpy(), p=p)
    assert sliced_wasserstein(x, y, directions, p).item() == pytest.approx(theirs**p, rel=1e-12)


def test_is_scipys_wasserstein_distance_in_one_dimension() -> None:
    x, y = samples(101, 1)
    expected = wasserstein_distance(x.squeeze().numpy(), y.squeeze().numpy())
    ours = sliced_wasserstein(x, y, torch.ones(1, 1, dtype=torch.float64), power=1.0)
    assert ours.item() == pytest.approx(expected, rel=1e-12)


def test_one_dimension_at_gaussian_quantiles_is_the_closed_form() -> None:
    """W_2^2(N(m, s^2), N(0, 1)) = m^2 + (s - 1)^2: exact for samples of like quantiles, with their own variance."""
    quantiles = torch.special.ndtri((torch.arange(1000, dtype=torch.float64) + 0.5) / 1000)[:, None]
    variance = quantiles.square().mean().item()
    ours = sliced_wasserstein(0.5 + 2 * quantiles, quantiles.flip(0), torch.ones(1, 1, dtype=torch.float64))
    assert ours.item() == pytest.approx(0.5**2 + variance * (2 - 1) ** 2, rel=1e-12)


def test_gaussians_in_many_dimensions_follow_the_sliced_formula() -> None:
    """SW_2^2(N(m, S), N(0, I)) = E_theta[(theta . m)^2 + (sqrt(theta' S theta) - 1)^2]."""
    n, dimension, repeats = 1000, 3, 20
    mean = torch.tensor([1.0, -0.5, 0.0], dtype=torch.float64)
    deviation = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    torch.manual_seed(0)
    errors, floor = [], []
    for _ in range(repeats):
        directions = random_directions(dimension, 50, mean)
        x, y = torch.randn(2, n, dimension, dtype=torch.float64)
        exact = (mean @ directions) ** 2 + ((deviation[:, None] * directions).norm(dim=0) - 1) ** 2
        errors.append(sliced_wasserstein(mean + deviation * x, y, directions) - exact.mean())
        floor.append(sliced_wasserstein(deviation * x, deviation * y, directions))
    error = torch.stack(errors)
    # The estimate's bias is at most of the order of the distance between two samples of the wider law.
    assert error.mean().abs() < 5 * error.std() / math.sqrt(repeats) + torch.stack(floor).mean()


def test_moving_the_mean_costs_its_square_over_the_dimension() -> None:
    """E (theta . m)^2 = ||m||^2 / d, to the sampling error over directions."""
    dimension, count = 5, 4000
    _, y = samples(50, dimension)
    shift = torch.tensor([3.0, 0, 0, 4.0, 0], dtype=torch.float64)
    torch.manual_seed(0)
    directions = random_directions(dimension, count, y)
    costs = (shift @ directions).square()
    value = sliced_wasserstein(y + shift, y, directions)
    assert value.item() == pytest.approx(costs.mean().item(), rel=1e-10)
    assert abs(value - 25 / dimension) < 5 * costs.std() / math.sqrt(count)


def test_directions_are_unit_vectors() -> None:
    directions = random_directions(4, 100, torch.zeros(0, dtype=torch.float64))
    np.testing.assert_allclose(directions.norm(dim=0), 1, rtol=1e-12)


def test_gradient_is_the_displacement_of_optimal_transport() -> None:
    x, y = samples(30, 1)
    x = x.requires_grad_()
    sliced_wasserstein(x, y, torch.ones(1, 1, dtype=torch.float64)).backward()
    order = x.detach().squeeze().argsort()
    displacement = torch.empty_like(y)
    displacement[order] = x.detach()[order] - y.sort(dim=0).values
    torch.testing.assert_close(x.grad, 2 * displacement / 30)


@pytest.mark.parametrize(("key", "value"), [("projections", 0), ("p", 0.5), ("p", math.inf), ("p", math.nan)])
def test_refuses_what_it_cannot_do(key: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{key}=.*accepted:"):
        SlicedWasserstein(**{key: value})  # type: ignore[arg-type]


def test_divergence_draws_its_own_prior_sample_and_directions() -> None:
    x, _ = samples(40, 2)
    prior = StandardNormal(2).double()
    for count in (1, 7):
        torch.manual_seed(3)
        value = SlicedWasserstein(projections=count)(as_codes(x), prior)
        torch.manual_seed(3)
        directions = random_directions(2, count, x)
        torch.testing.assert_close(value, sliced_wasserstein(x, prior.sample(40), directions))


@pytest.mark.parametrize("p", [1.0, 1.5])
def test_powers_from_1_on_are_accepted(p: float) -> None:
    x, y = samples(20, 1)
    direction = torch.ones(1, 1, dtype=torch.float64)
    expected = (x.sort(dim=0).values - y.sort(dim=0).values).abs().pow(p).mean()
    torch.testing.assert_close(sliced_wasserstein(x, y, direction, SlicedWasserstein(p=p).p), expected)
