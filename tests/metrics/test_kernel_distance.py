"""The kernel distance against torchmetrics, sums over pairs, and its own spread."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torchmetrics.image.kid import poly_mmd

from infovae.metrics.kernel_distance import kernel_distance, polynomial_mmd_squared


def test_it_is_torchmetrics_mmd_of_each_pair_of_subsets() -> None:
    x, y = torch.randn(95, 7, dtype=torch.float64), torch.randn(80, 7, dtype=torch.float64) + 0.5
    values = [poly_mmd(x[start : start + 20], y[start : start + 20]).item() for start in (0, 20, 40, 60)]
    value, error = kernel_distance(x, y, subset_size=20)
    assert value.item() == pytest.approx(np.mean(values), rel=1e-10)
    assert error.item() == pytest.approx(np.std(values, ddof=1) / 2, rel=1e-10)


@pytest.mark.parametrize(("n", "m"), [(4, 6), (2, 3)])
def test_samples_of_unequal_size_are_summed_pair_by_pair(n: int, m: int) -> None:
    x, y = torch.randn(n, 3, dtype=torch.float64), torch.randn(m, 3, dtype=torch.float64)

    def k(a: Tensor, b: Tensor) -> float:
        return (float(a @ b) / 3 + 1) ** 3

    def within(sample: Tensor) -> float:
        return float(np.mean([k(a, b) for i, a in enumerate(sample) for j, b in enumerate(sample) if i != j]))

    expected = within(x) + within(y) - 2 * float(np.mean([k(a, b) for a in x for b in y]))
    assert polynomial_mmd_squared(x, y).item() == pytest.approx(expected, rel=1e-10)
    value, error = kernel_distance(x, y)
    assert value.item() == pytest.approx(expected, rel=1e-10)
    assert error.isnan()


def test_it_is_unbiased_and_its_error_is_its_spread() -> None:
    """Of one law against itself, where it is 0."""
    repeats = 150
    found = [kernel_distance(torch.randn(50, 2), torch.randn(50, 2), subset_size=10) for _ in range(repeats)]
    values = np.array([value.item() for value, _ in found])
    claimed = np.array([error.item() ** 2 for _, error in found])
    squares = values**2
    assert values.mean() == pytest.approx(0, abs=5 * values.std() / math.sqrt(repeats))
    noise = math.hypot(squares.std(), claimed.std()) / math.sqrt(repeats)
    assert claimed.mean() == pytest.approx(squares.mean(), abs=5 * noise)


@pytest.mark.parametrize(("n", "m"), [(0, 5), (1, 5), (5, 1)])
def test_too_few_examples_have_no_distance(n: int, m: int) -> None:
    assert all(number.isnan() for number in kernel_distance(torch.randn(n, 3), torch.randn(m, 3)))
