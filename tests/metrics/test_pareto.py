"""k-hat against scipy, known tails, and proposals of known width."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import genpareto, norm

from infovae.metrics.pareto import generalized_pareto_shape, pareto_k, pareto_threshold


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.4, 1.0, 2.0])
def test_the_shape_of_a_generalized_pareto_sample_is_found(shape: float) -> None:
    """The maximum likelihood estimate has a standard deviation of (1 + shape) / sqrt(m)."""
    m = 2000
    sample = np.sort(genpareto.rvs(shape, scale=3.0, size=m, random_state=np.random.default_rng(1)))
    found = float(generalized_pareto_shape(torch.from_numpy(sample)))
    error = (1 + max(shape, 0)) / math.sqrt(m)
    assert found == pytest.approx(shape, abs=4.5 * error)
    by_likelihood, _, _ = genpareto.fit(sample, floc=0)
    # Two estimates of the same sample, both efficient: they differ by far less than either's own error.
    assert found == pytest.approx(by_likelihood, abs=0.3 * error)


@pytest.mark.parametrize(("ratio", "trusted"), [(1.3, True), (0.9, True), (0.35, False)])
def test_it_tells_a_proposal_that_is_too_narrow(ratio: float, trusted: bool) -> None:
    """p = N(0, 1), q = N(0, ratio^2): weights have the tail shape 1 - ratio^2 if q is narrower, and none otherwise."""
    k = 20_000
    z = ratio * torch.randn(k, 8, dtype=torch.float64)
    log_weight = -0.5 * z.square() + 0.5 * (z / ratio).square()
    found = pareto_k(log_weight)
    assert bool((found < pareto_threshold(k)).all()) == trusted
    if ratio < 1:
        # log k of the tail's 424 weights, with the weak prior's ten at 0.5; it converges from below, slowly in k.
        assert float(found.mean()) == pytest.approx(1 - ratio**2, abs=0.15)


def test_the_weak_prior_counts_as_ten_weights() -> None:
    k, tail = 5000, math.ceil(3 * math.sqrt(5000))
    log_weight = 2 * torch.randn(k, 1, dtype=torch.float64)
    weight = log_weight[:, 0].sub(log_weight.max()).exp().sort().values
    shape = float(generalized_pareto_shape(weight[-tail:] - weight[-tail - 1]))
    assert float(pareto_k(log_weight)) == pytest.approx((tail * shape + 5) / (tail + 10), rel=1e-12)


def test_a_tenth_of_100_weights_is_too_few_and_a_fifth_the_tail() -> None:
    log_weight = torch.randn(100, 1, dtype=torch.float64)
    weight = log_weight[:, 0].sub(log_weight.max()).exp().sort().values
    shape = float(generalized_pareto_shape(weight[-20:] - weight[-21]))
    assert float(pareto_k(log_weight)) == pytest.approx((20 * shape + 5) / 30, rel=1e-12)


def test_units_do_not_matter_and_each_example_has_its_own() -> None:
    log_weight = torch.randn(500, 3, dtype=torch.float64)
    together = pareto_k(log_weight + torch.tensor([0.0, 1e4, -1e4], dtype=torch.float64))
    alone = torch.cat([pareto_k(column[:, None]) for column in log_weight.T])
    torch.testing.assert_close(together, alone, rtol=1e-6, atol=1e-8)


def test_few_equal_and_dominant_weights() -> None:
    assert bool(pareto_k(torch.randn(20, 2).double()).isnan().all())
    smallest = pareto_k(torch.randn(21, 2).double())
    assert bool(smallest.isfinite().all())
    assert bool((smallest != 0).all())
    assert pareto_k(torch.zeros(1000, 1).double()).tolist() == [0]
    four_stand_out = torch.zeros(1000, 1).double()
    four_stand_out[:4, 0] = torch.arange(1, 5)
    assert pareto_k(four_stand_out).tolist() == [0]
    for broken in (-math.inf, math.nan):
        with_one = torch.randn(100, 2).double()
        with_one[:, 1] = broken
        assert pareto_k(with_one).isnan().tolist() == [False, True]
    beyond_float64 = torch.linspace(0, 1e6, 1000).double()[:, None]
    assert pareto_k(beyond_float64).tolist() == [math.inf]


@pytest.mark.parametrize(
    ("scale", "k", "expected"),
    [
        (0.5, 100, 0.22143019106785536),
        (0.5, 1000, 0.10819042268751537),
        (1.5, 100, 0.5148819157509475),
        (1.5, 1000, 0.4770164244352961),
        (4.0, 100, 1.2737628050822336),
        (4.0, 1000, 1.4443162989989657),
    ],
)
def test_it_is_what_arviz_finds(scale: float, k: int, expected: float) -> None:
    """For log weights at the quantiles of a normal law, as psislw of arviz 0.23.4 gives it."""
    log_weight = torch.from_numpy(scale * norm.ppf((np.arange(k) + 0.5) / k))
    assert pareto_k(log_weight[:, None]).item() == pytest.approx(expected, rel=1e-9)


def test_the_threshold_is_the_papers() -> None:
    assert pareto_threshold(100) == pytest.approx(0.5)
    assert pareto_threshold(5000) == 0.7
