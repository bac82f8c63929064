"""Controllers against loops by hand, on toys that they must bring to their target, and what they refuse."""

import math
from typing import Any

import pytest
import torch

from infovae.errors import ArgumentError
from infovae.schedules.controller import Controller
from infovae.schedules.hold_divergence import HoldDivergence
from infovae.schedules.hold_rate import HoldRate
from infovae.schedules.hold_reconstruction import HoldReconstruction
from infovae.terms import Terms

NAN = torch.tensor(torch.nan)


def terms(reconstruction: float = math.nan, rate: float = math.nan, divergence: float = math.nan) -> Terms:
    return Terms(*map(torch.tensor, (reconstruction, rate, divergence)))


def test_hold_reconstruction_is_geco() -> None:
    """Algorithm 1 of Rezende, Viola: m <- m exp(speed * C_ma), where the rate has weight 1 / m."""
    seen = (torch.randn(200) * 20 + 95).tolist()
    controller = HoldReconstruction(limit=90, start=0.5, low=1e-6, high=1e6, speed=1e-3, most=1e9, decay=0.9)
    multiplier, average = 2.0, None
    for reconstruction in seen:
        controller.after_step(terms(reconstruction=reconstruction))
        excess = reconstruction - 90
        average = excess if average is None else 0.9 * average + 0.1 * excess
        multiplier *= math.exp(1e-3 * average)
        assert float(controller.value) == pytest.approx(1 / multiplier, rel=1e-4)  # 200 roundings to float32


def test_hold_divergence_is_dual_ascent_in_units_of_the_limit() -> None:
    seen = (torch.rand(200) * 0.02).tolist()
    controller = HoldDivergence(limit=0.005, start=100, speed=0.02, most=0.03, decay=0.8)
    weight, average = 100.0, None
    for divergence in seen:
        controller.after_step(terms(divergence=divergence))
        excess = divergence / 0.005 - 1
        average = excess if average is None else 0.8 * average + 0.2 * excess
        weight = min(1e4, max(1.0, weight * math.exp(min(0.03, max(-0.03, 0.02 * average)))))
        assert float(controller.value) == pytest.approx(weight, rel=1e-4)


def test_the_noise_is_measured_once() -> None:
    controller = HoldDivergence()
    controller.prepare(lambda: torch.tensor(0.25))
    controller.prepare(lambda: torch.tensor(9.0))
    assert float(controller.bound) == 0.25
    given = HoldDivergence(limit=0.5)
    given.prepare(lambda: torch.tensor(9.0))
    assert float(given.bound) == 0.5
    resumed = HoldDivergence()
    resumed.load_state_dict(controller.state_dict())
    resumed.prepare(lambda: torch.tensor(9.0))
    assert float(resumed.bound) == 0.25


def test_hold_rate_is_pi_control() -> None:
    """Algorithm 1 of Shao et al., whose integral stops at the bounds."""
    seen = (torch.randn(400) * 8 + 14).tolist()
    controller = HoldRate(target=12, start=0.5, low=0.1, high=2, proportional=0.05, integral=2e-3)
    integral = 0.5
    for rate in seen:
        controller.after_step(terms(rate=rate))
        error = 12 - rate
        integral = min(2, max(0.1, integral - 2e-3 * error))
        expected = min(2, max(0.1, 0.05 / (1 + math.exp(error)) + integral))
        assert float(controller.value) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("controller", "watched", "solution"),
    [
        # Toys whose term answers to the weight at once, so that the weight under which it has its target is known.
        (HoldRate(target=10), lambda w: {"rate": 20 / (1 + w)}, 1.0),
        (HoldRate(target=2), lambda w: {"rate": 20 / (1 + w)}, 9.0),
        (HoldReconstruction(limit=100), lambda w: {"reconstruction": 60 + 80 * w}, 0.5),
        (HoldReconstruction(limit=300), lambda w: {"reconstruction": 60 + 80 * w}, 3.0),
        (HoldDivergence(limit=0.01), lambda w: {"divergence": 4 / w}, 400.0),
        (HoldDivergence(limit=0.5), lambda w: {"divergence": 4 / w}, 8.0),
    ],
)
def test_a_controller_finds_the_weight(controller: Controller, watched: Any, solution: float) -> None:
    for _ in range(20_000):
        controller.after_step(terms(**watched(float(controller.value))))
    # The share of the proportional part that the integral can't undo is none: it settles where the error is 0.
    assert float(controller.value) == pytest.approx(solution, rel=1e-2)


@pytest.mark.parametrize("controller", [HoldRate(10), HoldReconstruction(90), HoldDivergence(0.1)], ids=type)
def test_a_weight_stays_within_its_bounds_and_leaves_them_at_once(controller: Controller) -> None:
    for far in (1e6, -1e6):
        for _ in range(2000):
            controller.after_step(terms(far, far, far))
            assert controller.low <= float(controller.value) <= controller.high
        bound = float(controller.value)
        assert bound in (pytest.approx(controller.low), pytest.approx(controller.high))
    for _ in range(1500):  # an average forgets 1e6 in ln(1e9) / -ln(0.99) = 2,060 steps
        controller.after_step(terms(2e6, 2e6, 2e6))
    assert float(controller.value) != bound


@pytest.mark.parametrize("controller", [HoldRate(10), HoldReconstruction(90), HoldDivergence(0.1)], ids=type)
def test_the_state_goes_on_where_it_was(controller: Controller) -> None:
    steps = torch.rand(40, 3) * 30
    for step in steps[:20]:
        controller.after_step(Terms(*step))
    other = type(controller)(1.0)  # type: ignore[call-arg]
    other.__dict__.update({k: v for k, v in controller.__dict__.items() if not k.startswith("_")})
    other.load_state_dict(controller.state_dict())
    for step in steps[20:]:
        controller.after_step(Terms(*step))
        other.after_step(Terms(*step))
    assert torch.equal(controller.value, other.value)


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (HoldRate, {"target": 0}, "target=0: invalid; accepted: finite values above 0"),
        (HoldRate, {"target": 10, "integral": -1}, "integral=-1"),
        (HoldRate, {"target": 10, "proportional": -1}, "proportional=-1"),
        (HoldRate, {"target": 10, "low": -1}, "low=-1: invalid; accepted: finite values of at least 0"),
        (HoldRate, {"target": 10, "high": 0}, "high=0: invalid; accepted: finite values above low, which is 0"),
        (HoldRate, {"target": 10, "start": 101}, "start=101: invalid; accepted: values from low to high, 0 to 100"),
        (HoldDivergence, {"evaluated_at": 0.5}, "evaluated_at=0.5: invalid; accepted: values from low to high, 1 to"),
        (HoldDivergence, {"limit": -0.1}, "limit=-0.1"),
        (HoldDivergence, {"low": 0}, "low=0: invalid; accepted: finite values above 0"),
        (HoldReconstruction, {"limit": math.inf}, "limit=inf"),
        (HoldReconstruction, {"limit": 90, "decay": 1}, "decay=1"),
        (HoldReconstruction, {"limit": 90, "speed": math.nan}, "speed=nan"),
    ],
)
def test_refused(make: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make(**arguments)
