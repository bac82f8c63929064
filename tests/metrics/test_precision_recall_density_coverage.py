"""Precision, recall, density and coverage against the definitions by brute force, and against scikit-learn's radii."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from infovae.metrics.precision_recall_density_coverage import neighbour_radii, precision_recall_density_coverage


def brute_force(real: np.ndarray, generated: np.ndarray, k: int) -> tuple[float, float, float, float]:
    """Naeem et al. 2020, equations 2 to 7, as written."""

    def radii(points: np.ndarray) -> np.ndarray:
        apart = np.linalg.norm(points[:, None] - points[None], axis=2)
        return np.sort(apart, axis=1)[:, k]

    real_radii, generated_radii = radii(real), radii(generated)
    precise = [any(np.linalg.norm(y - x) < r for x, r in zip(real, real_radii, strict=True)) for y in generated]
    recalled = [any(np.linalg.norm(x - y) < r for y, r in zip(generated, generated_radii, strict=True)) for x in real]
    inside = [sum(np.linalg.norm(y - x) < r for x, r in zip(real, real_radii, strict=True)) for y in generated]
    covered = [any(np.linalg.norm(y - x) < r for y in generated) for x, r in zip(real, real_radii, strict=True)]
    return float(np.mean(precise)), float(np.mean(recalled)), float(np.mean(inside)) / k, float(np.mean(covered))


@given(st.integers(5, 25), st.integers(5, 25), st.integers(1, 4), st.integers(1, 4), st.integers(1, 700))
@settings(deadline=None, max_examples=30)
def test_it_is_the_definition_in_blocks_of_any_size(n: int, m: int, d: int, k: int, block: int) -> None:
    generator = torch.Generator().manual_seed(n + 100 * m + 10000 * d)
    real = torch.randn(n, d, generator=generator, dtype=torch.float64)
    generated = 0.7 * torch.randn(m, d, generator=generator, dtype=torch.float64) + 0.3
    found = precision_recall_density_coverage(real, generated, k, block)
    assert [value.item() for value in found] == pytest.approx(
        brute_force(real.numpy(), generated.numpy(), k), abs=1e-12
    )


def test_radii_are_scikit_learn_s() -> None:
    x = torch.randn(50, 6, dtype=torch.float64)
    expected = NearestNeighbors(n_neighbors=4).fit(x.numpy()).kneighbors(x.numpy())[0][:, 3]
    np.testing.assert_allclose(neighbour_radii(x, 3, 100).numpy(), expected, rtol=1e-12)


def test_a_model_that_copies_one_mode_of_two_is_precise_and_forgets() -> None:
    real = torch.cat([torch.randn(200, 2), torch.randn(200, 2) + 100])
    found = precision_recall_density_coverage(real, torch.randn(400, 2))
    assert found.precision > 0.9
    assert found.recall <= 0.5
    assert found.coverage <= 0.5


def test_the_real_points_themselves_are_found_whole() -> None:
    real = torch.randn(50, 3)
    found = precision_recall_density_coverage(real, real, k=5)
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)
    # Each of 50 balls holds its own centre and the 4 neighbours nearer than the 5th.
    assert found.density.item() == pytest.approx(1)


def test_points_that_are_all_alike_have_empty_balls() -> None:
    alike = torch.ones(20, 4) / 3
    assert [value.item() for value in precision_recall_density_coverage(alike, alike)] == [0, 0, 0, 0]
    spread = torch.randn(20, 4) + 50
    assert [value.item() for value in precision_recall_density_coverage(spread, alike)] == [0, 0, 0, 0]


@pytest.mark.parametrize(("n", "m", "k"), [(5, 9, 5), (9, 5, 5), (9, 9, 0)])
def test_more_neighbours_than_there_are_is_one_clear_line(n: int, m: int, k: int) -> None:
    with pytest.raises(ValueError, match=rf"^k={k}: .*accepted: whole numbers from 1 to \d$"):
        precision_recall_density_coverage(torch.randn(n, 2), torch.randn(m, 2), k)


def test_broken_points_give_nan() -> None:
    broken = torch.full((9, 2), torch.nan)
    assert all(value.isnan() for value in precision_recall_density_coverage(torch.randn(9, 2), broken))
