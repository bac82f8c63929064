import math
from functools import partial
from itertools import pairwise

import pytest
import torch
from normals import (
    ADAM,
    GRID,
    PRIOR,
    codes_from,
    expectation,
    grid_logits,
    learn,
    log_ratio,
    normal,
    set_linear,
    variance,
)

from infovae.divergences.density_ratio import DensityRatioKL
from infovae.priors.standard_normal import StandardNormal

BATCH = 1024
FAST_ADAM = partial(ADAM, lr=2e-2)


def regression_error(mean: float) -> float:
    """Standard error of E_q log q/p where slope and intercept are fitted by logistic regression to one batch.

    The inverse Fisher information, through the gradient (E_q z, 1) of the value.
    """
    q = normal(mean, 1.0)
    probability = torch.sigmoid(log_ratio(q))
    weight = probability * (1 - probability)
    moments = [sum(expectation(side, weight * GRID**power) for side in (PRIOR, q)) for power in range(3)]
    information = BATCH * torch.tensor([[moments[2], moments[1]], [moments[1], moments[0]]])
    through = torch.tensor([mean, 1.0])
    return math.sqrt(through @ torch.linalg.solve(information, through))


@pytest.mark.parametrize("mean", [0.0, 0.5, 1.0, 2.0])
def test_a_converged_linear_critic_finds_the_kl_of_shifted_gaussians(mean: float) -> None:
    torch.manual_seed(0)
    divergence = DensityRatioKL(1, FAST_ADAM, hidden=[]).double()
    q = normal(mean, 1.0)
    prior = learn(divergence, q, BATCH, steps=400)
    found = -expectation(q, grid_logits(divergence))
    assert abs(found - mean**2 / 2) < 5 * regression_error(mean)
    n = 100_000
    standard_error = math.sqrt(variance(q, grid_logits(divergence)) / n)
    assert abs(divergence(codes_from(q, n), prior).item() - found) <= 5 * standard_error + 1e-12


def test_what_the_critic_finds_grows_as_q_moves_away() -> None:
    for points in ([(0.0, 1.0), (0.7, 1.0), (1.4, 1.0)], [(0.0, 1.0), (0.0, 1.5), (0.0, 2.5)]):
        found = []
        for point in points:
            torch.manual_seed(0)
            divergence = DensityRatioKL(1, FAST_ADAM, hidden=[16]).double()
            learn(divergence, normal(*point), BATCH, steps=100)
            found.append(-expectation(normal(*point), grid_logits(divergence)))
        assert all(later > earlier for earlier, later in pairwise(found))


def test_with_the_exact_ratio_value_and_gradient_are_those_of_the_kl() -> None:
    """KL(N(m, 1) || N(0, 1)) = m^2 / 2, of derivative m, which every code feels alike."""
    torch.manual_seed(0)
    mean, n = 1.5, 100_000
    divergence = DensityRatioKL(1, ADAM, hidden=[]).double()
    set_linear(divergence, -mean, mean**2 / 2)
    codes = codes_from(normal(mean, 1.0), n)
    codes.z.requires_grad_()
    value = divergence(codes, StandardNormal(1).double())
    value.backward()
    assert abs(value.item() - mean**2 / 2) < 5 * mean / math.sqrt(n)
    torch.testing.assert_close(codes.z.grad, torch.full_like(codes.z, mean / n))
