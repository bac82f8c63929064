"""The spherical way, and what an interpolation decodes."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pictures.toy import observed, toy

from infovae.pictures.interpolations import Interpolations, linear, spherical

TIME = torch.linspace(0, 1, 9, dtype=torch.float64)


@given(st.integers(1, 20), st.integers(0, 1000))
def test_both_ways_end_exactly_where_they_should(d: int, seed: int) -> None:
    start, end = torch.randn(2, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    for way in (linear, spherical):
        passed = way(start, end, TIME)
        assert torch.equal(passed[0], start)
        assert torch.equal(passed[-1], end)


@given(st.integers(2, 20), st.integers(0, 1000), st.floats(0.01, 100))
def test_the_norm_changes_linearly_and_the_direction_turns_evenly(d: int, seed: int, scale: float) -> None:
    start, end = torch.randn(2, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    end = scale * end
    passed = spherical(start, end, TIME)
    norms = passed.norm(dim=1)
    torch.testing.assert_close(norms, (1 - TIME) * start.norm() + TIME * end.norm(), rtol=1e-9, atol=0)
    directions = passed / norms[:, None]
    chords = (directions[1:] - directions[:-1]).norm(dim=1)
    # Equal angles have equal chords; near opposite directions sin(angle) loses up to half of the digits.
    torch.testing.assert_close(chords, chords[:1].expand(8), rtol=1e-6, atol=1e-9)


def test_a_quarter_turn() -> None:
    halfway = spherical(torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0]), torch.tensor([0.5]))
    torch.testing.assert_close(halfway, torch.tensor([[math.sqrt(2), math.sqrt(2)]]))


@pytest.mark.parametrize("d", [2, 3, 10])
def test_opposite_codes_are_joined_by_half_a_great_circle(d: int) -> None:
    start = torch.randn(d, dtype=torch.float64)
    passed = spherical(start, -2 * start, TIME)
    torch.testing.assert_close(passed.norm(dim=1), (1 + TIME) * start.norm())
    torch.testing.assert_close(passed @ start / (passed.norm(dim=1) * start.norm()), torch.cos(math.pi * TIME))
    assert torch.equal(passed[0], start)
    assert torch.equal(passed[-1], -2 * start)


def test_where_there_is_no_direction_the_way_is_straight() -> None:
    zero, code = torch.zeros(4, dtype=torch.float64), torch.randn(4, dtype=torch.float64)
    for start, end in ((zero, code), (code, zero), (zero, zero), (code, 3 * code), (code, code)):
        torch.testing.assert_close(spherical(start, end, TIME), linear(start, end, TIME), rtol=1e-12, atol=1e-12)
    one, other = torch.tensor([-1.0]), torch.tensor([2.0])
    torch.testing.assert_close(spherical(one, other, TIME.float()), linear(one, other, TIME.float()))


def test_rows_go_from_mean_to_mean_of_each_pair() -> None:
    model, seen = toy(latent_dim=3), observed(torch.randn(5, 3), torch.rand(5, 3))
    assert Interpolations(pairs=4, steps=6).draw(model, seen) is not None
    (z,) = model.decoded
    rows = z.view(2, 2, 6, 3)  # two whole pairs among five examples, each straight and spherical
    for pair in range(2):
        start, end = seen.codes.mean[2 * pair], seen.codes.mean[2 * pair + 1]
        for way in range(2):
            assert torch.equal(rows[pair, way, 0], start)
            assert torch.equal(rows[pair, way, -1], end)
        torch.testing.assert_close(rows[pair, 0], linear(start, end, torch.linspace(0, 1, 6)))
    assert not torch.allclose(rows[:, 0], rows[:, 1])
