"""The level and the power of the permutation test."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from infovae.divergences.kernels import Gaussian, squared_distances
from infovae.metrics.mmd_permutation import permutation_p_value


def p_value(x: Tensor, y: Tensor, permutations: int = 99) -> float:
    points = torch.cat([x, y])
    kernel = Gaussian().evaluate(squared_distances(points, points), float(x.shape[1]))
    return float(permutation_p_value(kernel, len(x), permutations))


def test_under_the_hypothesis_the_p_value_is_uniform() -> None:
    torch.manual_seed(0)
    tests = 1000
    values = torch.tensor([p_value(torch.randn(10, 2).double(), torch.randn(15, 2).double(), 39) for _ in range(tests)])
    # Uniform over 1/40, ..., 40/40: a test of level u = k/40 rejects with exactly that chance.
    for level in (0.05, 0.25, 0.5):
        rejected = float((values <= level + 1e-6).double().mean())
        assert rejected == pytest.approx(level, abs=4.5 * math.sqrt(level * (1 - level) / tests))


def test_a_shift_is_found() -> None:
    torch.manual_seed(0)
    assert p_value(torch.randn(50, 2).double() + 2, torch.randn(60, 2).double()) == pytest.approx(1 / 100)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 3))
def test_points_that_coincide_tell_nothing(m: int, n: int, d: int) -> None:
    assert p_value(torch.ones(m, d).double(), torch.ones(n, d).double()) == 1


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 30))
def test_p_values_are_multiples_of_what_the_permutations_can_tell(m: int, n: int, permutations: int) -> None:
    value = p_value(torch.randn(m, 2).double(), torch.randn(n, 2).double(), permutations)
    count = value * (permutations + 1)
    assert 1 <= round(count) <= permutations + 1
    assert count == pytest.approx(round(count), rel=1e-5)


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e6])
def test_it_is_the_share_of_permutations_that_are_at_least_as_far(unit: float) -> None:
    """By means over pairs, pair of samples by pair of samples; equal sizes tie where the samples are swapped."""
    torch.manual_seed(0)
    for first in (3, 2):
        points = torch.randn(6, 2).double()
        kernel = unit * Gaussian().evaluate(squared_distances(points, points), 2.0)
        keys = torch.rand(200, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)

        def distance(order: Tensor, first: int = first, kernel: Tensor = kernel) -> float:
            x, y = order < first, order >= first
            return float(kernel[x][:, x].mean() - 2 * kernel[x][:, y].mean() + kernel[y][:, y].mean())

        observed = distance(torch.arange(6))
        count = sum(distance(order) >= observed - 1e-12 * unit for order in keys.argsort(dim=1))
        found = permutation_p_value(kernel, first, 200, torch.Generator().manual_seed(3))
        assert float(found) == pytest.approx((1 + count) / 201)


def test_a_kernel_of_0_tells_nothing() -> None:
    assert permutation_p_value(torch.zeros(5, 5), 2, 20) == 1


def test_the_generator_decides() -> None:
    points = torch.randn(30, 2).double()
    kernel = Gaussian().evaluate(squared_distances(points, points), 2.0)
    first, second = (permutation_p_value(kernel, 12, 200, torch.Generator().manual_seed(3)) for _ in range(2))
    assert first == second


def test_empty_samples_are_refused() -> None:
    for first in (0, 4):
        with pytest.raises(ValueError, match=f"first={first}: .*accepted: "):
            permutation_p_value(torch.eye(4), first)
    with pytest.raises(ValueError, match=r"permutations=0: .*accepted: "):
        permutation_p_value(torch.eye(4), 2, 0)
