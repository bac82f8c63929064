"""Sets that need no file: digits, toys and sprites."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from infovae.data.digits import digits
from infovae.data.gaussian_mixture_2d import CIRCLE, gaussian_mixture_2d, means, quantise
from infovae.data.splits import fixed_cut
from infovae.data.sprites import FactorGrid, factor_values, factors, render, sprites
from infovae.data.two_points import two_points
from infovae.errors import ArgumentError

TINY = {"scales": 2, "rotations": 3, "xs": 4, "ys": 2, "size": 32}
GRID = FactorGrid(3, 2, 3, 4, 2)


def drawn(shape: float, scale: float = 1.0, rotation: float = 0.0, x: float = 0.5, y: float = 0.5) -> torch.Tensor:
    values = torch.tensor([[shape, scale, rotation, x, y]], dtype=torch.float64)
    return render(values, 64)[0, 0] > 0


def test_digits_are_whole_and_every_class_is_on_both_sides() -> None:
    train, test, *_ = digits()
    assert train.x.shape == (1437, 1, 8, 8)
    assert test.x.shape == (360, 1, 8, 8)
    assert int(train.x.max()) == 255
    whole = torch.bincount(torch.tensor(load_digits().target))
    counts = torch.bincount(test.labels)
    assert torch.equal(torch.bincount(train.labels) + counts, whole)
    assert bool(((counts - whole * (360 / 1797)).abs() <= 1).all())
    again = digits()
    assert torch.equal(again.test.x, test.x)


def test_two_points_are_black_and_white_in_halves() -> None:
    for part in two_points(10)[:2]:
        assert part.x.shape == (10, 1, 1, 1)
        assert part.x.view(-1).tolist() == (part.labels * 255).tolist()
        assert int(part.labels.sum()) == 5


@pytest.mark.parametrize("size", [0, 1, 7])
def test_two_points_refuse_uneven_halves(size: int) -> None:
    with pytest.raises(ArgumentError, match=f"^size={size}: invalid; accepted: even numbers"):
        two_points(size)


def test_the_mixture_has_the_moments_it_is_asked_for() -> None:
    n, components, scale = 20_000, 4, 0.04
    train, test, *_ = gaussian_mixture_2d(n, components, scale)
    assert train.x.shape == (n, 1, 1, 2)
    assert test.x.shape == (2000, 1, 1, 2)
    points = train.x.view(n, 2).double() / 255
    for label, mean in enumerate(means(components)):
        own = points[train.labels == label]
        # Rounding to 1/255 adds the variance of a uniform error.
        variance = scale**2 + (1 / 255) ** 2 / 12
        assert bool(((own.mean(0) - mean).abs() < 5 * math.sqrt(variance / len(own))).all())
        assert bool(((own.var(0) - variance).abs() < 5 * variance * math.sqrt(2 / len(own))).all())
    counts = torch.bincount(train.labels, minlength=components)
    assert bool(((counts - n / 4).abs() < 5 * math.sqrt(n * 3 / 16)).all())


def test_the_mixture_lies_on_its_circle_and_is_rounded_to_bytes() -> None:
    assert torch.allclose((means(5) - 0.5).norm(dim=1), torch.full((5,), CIRCLE, dtype=torch.float64))
    assert quantise(torch.tensor([[-0.1, 1.2], [0.5, 1.0]], dtype=torch.float64)).tolist() == [[0, 255], [128, 255]]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"components": 0}, "^components=0: too small; accepted"),
        ({"size": 0}, "^size=0: too small; accepted"),
        ({"scale": 0.001}, "^scale=0.001: invalid; accepted: numbers from 0.0078"),
        ({"scale": 0.3}, "^scale=0.3: invalid; accepted"),
        ({"scale": math.nan}, "^scale=nan: invalid; accepted"),
    ],
)
def test_the_mixture_refuses_what_bytes_cannot_hold(arguments: dict[str, float], told: str) -> None:
    with pytest.raises(ArgumentError, match=told):
        gaussian_mixture_2d(**arguments)


@settings(deadline=None, max_examples=30)
@given(counts=st.tuples(*[st.integers(1, 4)] * 5))
def test_every_combination_of_factors_occurs_once_last_fastest(counts: tuple[int, ...]) -> None:
    grid = FactorGrid(*counts)
    n = math.prod(grid)
    found = factors(torch.arange(n), grid)
    expected = torch.cartesian_prod(*(torch.arange(count) for count in grid))
    assert torch.equal(found, expected)


def test_factor_values_span_dsprites_ranges() -> None:
    values = factor_values(torch.arange(math.prod(GRID)), GRID)
    assert values[:, 0].unique().tolist() == [0, 1, 2]
    assert values[:, 1].unique().tolist() == [0.5, 1]
    assert values[:, 2].unique().tolist() == pytest.approx([0, 2 * math.pi / 3, 4 * math.pi / 3])
    assert values[:, 3].unique().tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert factor_values(torch.zeros(1, dtype=torch.int64), FactorGrid(1, 1, 1, 1, 1)).tolist() == [[0, 1, 0, 0.5, 0.5]]


@pytest.mark.parametrize(("shape", "area"), [(0, 2.0), (1, math.pi / 2)])
def test_areas_are_those_of_the_figures(shape: int, area: float) -> None:
    # In units of the reach squared; the error of counting pixel centres is below one pixel for each on the outline.
    for scale in (0.5, 1.0):
        reach = 0.2 * scale * 64
        outline = 2 * math.pi * reach
        assert abs(int(drawn(shape, scale, rotation=0.3).sum()) - area * reach**2) < outline


def test_rotation_is_anticlockwise_and_a_full_turn_is_none() -> None:
    lying, standing = drawn(1), drawn(1, rotation=math.pi / 2)
    assert torch.equal(lying.T, standing)
    assert lying.any(0).sum() > lying.any(1).sum()
    tilted = drawn(1, rotation=math.pi / 4).nonzero().double()
    rows, columns = (tilted - tilted.mean(0)).unbind(1)
    assert float((rows * columns).sum()) < 0  # up on the right
    assert bool((drawn(2) == drawn(2, rotation=2 * math.pi)).all())


def test_a_heart_is_symmetric_with_its_point_below() -> None:
    heart = drawn(2)
    assert torch.equal(heart, heart.flip(1))
    rows = heart.any(1).nonzero().view(-1)
    assert int(heart[rows[-1]].sum()) < int(heart[rows[0] + 2].sum())


def test_positions_move_right_and_down_by_whole_pixels_as_they_say() -> None:
    # 0.6 of the image is open to centres; this step moves by 6 pixels of 64.
    step = 6 / 64 / 0.6
    for shape in range(3):
        centred = drawn(shape, 0.7, 0.4)
        assert torch.equal(drawn(shape, 0.7, 0.4, x=0.5 + step), centred.roll(6, 1))
        assert torch.equal(drawn(shape, 0.7, 0.4, y=0.5 + step), centred.roll(6, 0))


@pytest.mark.parametrize("shape", [0, 1, 2])
def test_no_sprite_is_cut_off(shape: int) -> None:
    for rotation in torch.linspace(0, 2 * math.pi, 17).tolist():
        centred = int(drawn(shape, rotation=rotation).sum())
        padded = torch.tensor([[shape, 1.0, rotation, x, y] for x in (0, 1) for y in (0, 1)], dtype=torch.float64)
        for image in render(padded, 64):
            # A shift by a part of a pixel changes which centres on the outline count.
            assert abs(int((image > 0).sum()) - centred) < 2 * math.pi * 0.2 * 64 / 4


def test_sprites_are_all_there_with_factors_that_can_be_found() -> None:
    train, test, *_ = sprites(**TINY)
    n = math.prod(GRID)
    train_index, test_index = fixed_cut(n, 0.1, 1)
    assert len(train.x) + len(test.x) == n
    for part, index in ((train, train_index), (test, test_index)):
        assert part.x.shape[1:] == (1, 32, 32)
        assert set(part.x.unique().tolist()) == {0, 255}
        assert torch.equal(part.labels, factors(index, GRID)[:, 0])
        assert torch.equal(part.x, render(factor_values(index, GRID), 32))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"shapes": 4}, "^shapes=4: invalid; accepted: 1 to 3"),
        ({"xs": 0}, "^xs=0: too small; accepted"),
        ({"size": 8}, "^size=8: too small; accepted"),
        ({"test_fraction": 0.0}, "^test_fraction=0.0: it leaves none of"),
        ({"test_fraction": 1.0}, "^test_fraction=1.0: "),
    ],
)
def test_sprites_refuse_impossible_grids(arguments: dict[str, float], told: str) -> None:
    with pytest.raises(ArgumentError, match=told):
        sprites(**TINY | arguments)


def test_a_grid_that_fills_memory_is_refused_before_it_is_drawn() -> None:
    with pytest.raises(
        ArgumentError, match=r"^size=32: its examples take .* GiB .*, so a grid smaller than 3 x 2 x 3 x 100000 x"
    ):
        sprites(**TINY | {"xs": 100_000, "ys": 100_000})
