"""Schedules in closed form, what they refuse, and the text that names them."""

import math
import re
from typing import Any

import pytest
import torch
from conftest import PROJECT
from hypothesis import given
from hypothesis import strategies as st

from infovae.errors import ArgumentError
from infovae.objective import Objective
from infovae.schedules.cosine import Cosine
from infovae.schedules.cyclical import Cyclical
from infovae.schedules.label import weight_label
from infovae.schedules.linear import Linear
from infovae.schedules.schedule import Schedule
from infovae.schedules.steps import Steps

ends = st.floats(-1e3, 1e3)
lengths = st.integers(1, 10_000)


@given(ends, ends, lengths, st.integers(0, 20_000))
def test_ramps_are_their_closed_forms(start: float, end: float, steps: int, step: int) -> None:
    share = min(1.0, step / steps)
    assert Linear(start, end, steps).at(step) == pytest.approx(start + (end - start) * share, abs=1e-9)
    half = end + (start - end) * (1 + math.cos(math.pi * share)) / 2
    assert Cosine(start, end, steps).at(step) == pytest.approx(half, abs=1e-9)


@given(st.integers(1, 8), st.integers(1, 50), st.floats(0.1, 1), st.integers(0, 1000))
def test_cycles_are_those_of_fu_et_al(cycles: int, length: int, rising: float, step: int) -> None:
    """Equation (6): tau = mod(t - 1, T / M) / (T / M) for t = step + 1; beta = min(tau / R, 1)."""
    total = cycles * length
    tau = (step % length) / length
    expected = 1.0 if step >= total else min(tau / rising, 1.0)
    assert Cyclical(0, 1, total, cycles, rising).at(step) == pytest.approx(expected, abs=1e-9)


def test_steps_change_at_their_milestones() -> None:
    assert Steps([7], []).at(3) == 7
    steps = Steps([1, 10, 100], [3, 5])
    assert [steps.at(step) for step in range(7)] == [1, 1, 1, 10, 10, 100, 100]
    assert (steps.length, steps.evaluated_at) == (5, 100)


def test_the_documented_schedule_of_one_s_own_moves_a_weight() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (PROJECT / "docs/howto/schedules.md").read_text(), re.S)
    names: dict[str, Any] = {}
    exec(code, names)
    objective = Objective(alpha=0, lambda_=names["Sawtooth"](top=11, period=10, steps=30))
    assert objective.evaluation_weights().divergence == 10
    for step, weight in ((0, 0), (13, 3), (30, 10)):
        objective.move(step)
        assert float(objective.weights().divergence) == pytest.approx(weight)


@pytest.mark.parametrize(
    "schedule", [Linear(1, 9, 7), Cosine(1, 9, 7), Cyclical(1, 9, 7, 3), Steps([1, 5, 9], [2, 7])], ids=type
)
def test_a_schedule_begins_at_its_start_and_stays_at_its_end(schedule: Schedule) -> None:
    assert schedule.value == schedule.at(0) == 1
    assert schedule.evaluated_at == schedule.at(schedule.length) == schedule.at(10**9) == 9
    assert schedule.at(schedule.length - 1) < 9 or isinstance(schedule, Cyclical)
    before = schedule.value
    schedule.move(4)
    assert schedule.value is before  # a compiled step reads this very tensor
    assert float(before) == pytest.approx(schedule.at(4))
    assert not schedule.state_dict()


def test_half_precision_leaves_the_digits_of_a_weight() -> None:
    schedule = Linear(1, 9, 7)
    schedule.move(3)
    assert float(schedule.to(torch.bfloat16).value) == pytest.approx(1 + 8 * 3 / 7, rel=1e-6)  # bfloat16 has 3 digits


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (Linear, (0, 1, 0), "steps=0: too small"),
        (Linear, (0, 1, -5), "steps=-5: too small"),
        (Cosine, (math.nan, 1, 5), "start=nan: invalid; accepted: finite numbers"),
        (Linear, (0, math.inf, 5), "end=inf"),
        (Cyclical, (0, 1, 3, 4), "steps=3: too few for 4 cycles; accepted: whole numbers of at least 4"),
        (Cyclical, (0, 1, 8, 0), "cycles=0: too small"),
        (Cyclical, (0, 1, 8, 2, 0.0), "rising=0: invalid; accepted: shares above 0"),
        (Steps, ([1, 2], [3, 4]), r"values=\[1, 2\]: invalid; accepted: 3 numbers"),
        (Steps, ([1, 2, 3], [4, 3]), r"milestones=\[4, 3\]: .*in ascending order"),
        (Steps, ([1, 2], [0]), r"milestones=\[0\]: "),
        (Steps, ([1, math.inf], [2]), "values="),
    ],
)
def test_refused(make: Any, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make(*arguments)


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (100.0, "100"),
        ({"_target_": "infovae.schedules.linear.Linear", "start": 0.0, "end": 1000.0, "steps": 20}, "linear 0→1000"),
        ({"_target_": "infovae.schedules.steps.Steps", "values": [1.0, 10.0], "milestones": [3]}, "steps 1→10"),
        ({"_target_": "infovae.schedules.hold_rate.HoldRate", "target": 10.0, "start": 1.0}, "hold_rate 10"),
        ({"_target_": "infovae.schedules.hold_divergence.HoldDivergence", "limit": "noise"}, "hold_divergence noise"),
        ({"_target_": "mine.Own"}, "own"),
    ],
)
def test_labels(node: Any, text: str) -> None:
    assert weight_label(node) == text
