"""The Frechet distance against closed forms, scipy's matrix root and torchmetrics."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from infovae.metrics.frechet_distance import frechet_distance, normal_frechet_distance


def by_scipy(x: Tensor, y: Tensor) -> float:
    """As the field's reference code has it."""
    a, b = np.cov(x.double().numpy(), rowvar=False), np.cov(y.double().numpy(), rowvar=False)
    shift = (x.double().mean(dim=0) - y.double().mean(dim=0)).square().sum().item()
    return float(shift + np.trace(a + b - 2 * scipy.linalg.sqrtm(a @ b).real))


def test_of_normal_laws_that_share_their_axes_it_has_a_closed_form() -> None:
    k = 5
    axes, _ = torch.linalg.qr(torch.randn(k, k, dtype=torch.float64))
    first, second = torch.rand(2, k, dtype=torch.float64)
    shift = torch.randn(k, dtype=torch.float64)
    found = normal_frechet_distance(
        torch.zeros_like(shift), (axes * first) @ axes.T, shift, (axes * second) @ axes.T
    ).item()
    expected = shift.square().sum() + (first.sqrt() - second.sqrt()).square().sum()
    assert found == pytest.approx(expected.item(), rel=1e-10)


def test_it_is_what_scipy_s_matrix_root_gives() -> None:
    x, y = torch.randn(60, 6) @ torch.randn(6, 6) + 1, torch.randn(80, 6) @ torch.randn(6, 6)
    assert frechet_distance(x, y).item() == pytest.approx(by_scipy(x, y), rel=1e-8)


def test_it_is_what_torchmetrics_gives_for_the_same_features() -> None:
    features = nn.Flatten()
    features.num_features = 12  # type: ignore[assignment]
    theirs = FrechetInceptionDistance(features, normalize=False)
    x, y = torch.rand(100, 3, 2, 2), torch.rand(90, 3, 2, 2) ** 2
    theirs.update(x, real=True)
    theirs.update(y, real=False)
    # Their result is float32, and so are their features' sums.
    assert frechet_distance(x.flatten(1), y.flatten(1)).item() == pytest.approx(theirs.compute().item(), rel=1e-4)


@given(st.integers(2, 12), st.integers(2, 12), st.integers(1, 20))
@settings(deadline=None)
def test_fewer_examples_than_features_are_no_trouble(n: int, m: int, k: int) -> None:
    torch.manual_seed(n * 400 + m * 20 + k)
    x, y = torch.randn(n, k), torch.randn(m, k) + 1
    value = frechet_distance(x, y).item()
    # The root of rounding: an eigenvalue of 0 that comes out as eps adds its root, once for each of k.
    size = 1 + x.square().sum().item() + y.square().sum().item()
    rounding = 10 * k * math.sqrt(torch.finfo(torch.float64).eps) * size
    assert value >= -rounding
    assert value == pytest.approx(frechet_distance(y, x).item(), abs=rounding)
    assert frechet_distance(x, x).item() == pytest.approx(0, abs=rounding)


def test_samples_that_are_all_alike_are_at_their_distance() -> None:
    x, y = torch.zeros(10, 3), torch.ones(10, 3)
    assert frechet_distance(x, y).item() == pytest.approx(3)


@pytest.mark.parametrize("x", [torch.randn(1, 3), torch.full((5, 3), torch.nan), torch.full((5, 3), torch.inf)])
def test_one_example_or_broken_ones_have_no_distance(x: Tensor) -> None:
    assert frechet_distance(x, torch.randn(10, 3)).isnan()
    assert frechet_distance(torch.randn(10, 3), x).isnan()
