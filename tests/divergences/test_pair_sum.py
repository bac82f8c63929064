import itertools
from collections.abc import Iterable
from typing import Any

import pytest
import torch
from test_kernels import KERNELS, name
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from infovae.divergences import pair_sum
from infovae.divergences.kernels import Energy, Gaussian, Kernel, squared_distances
from infovae.divergences.mmd import mmd_squared, mmd_squared_to_standard_normal
from infovae.divergences.pair_sum import row_blocks, tiles, triangle, weighted_pair_sums
from infovae.divergences.stein import ksd_squared, stein_direction

WEIGHTS = (0.7, -1.3, 0.4)


def plain(x: Tensor, y: Tensor, kernel: Kernel, a: float) -> Tensor:
    """What autograd makes of the three kernel matrices."""

    def total(left: Tensor, right: Tensor) -> Tensor:
        # Differences, not the expanded square: exactly 0 between a point and itself.
        return kernel.evaluate((left[:, None] - right).square().sum(dim=2), a).sum()

    return WEIGHTS[0] * total(x, x) + WEIGHTS[1] * total(x, y) + WEIGHTS[2] * total(y, y)


@pytest.fixture(params=[1, 7, 40, 10**6], ids=lambda block: f"block{block}")
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(pair_sum, "TILE", request.param)
    size: int = request.param
    return size


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("kernel", KERNELS, ids=name)
@pytest.mark.parametrize("d", [1, 5])
def test_value_and_gradient_are_autograds(kernel: Kernel, d: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(13, d, dtype=torch.float64, requires_grad=True)
    y = torch.randn(9, d, dtype=torch.float64)
    expected = plain(x, y, kernel, 1.7)
    (expected_gradient,) = torch.autograd.grad(expected, x)
    found = weighted_pair_sums(x, y, kernel, 1.7, WEIGHTS)
    (gradient,) = torch.autograd.grad(found, x)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradient, expected_gradient)


@pytest.mark.parametrize("kernel", KERNELS, ids=name)
def test_gradient_passes_gradcheck(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_sum, "TILE", 20)
    torch.manual_seed(0)
    x, y = torch.randn(6, 3, dtype=torch.float64, requires_grad=True), torch.randn(5, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda moved: weighted_pair_sums(moved, y, kernel, 1.3, WEIGHTS), (x,))


def test_second_derivatives_are_refused() -> None:
    x = torch.randn(4, 2, requires_grad=True)
    value = weighted_pair_sums(x, torch.randn(4, 2), Gaussian(), 1.0, WEIGHTS)
    (gradient,) = torch.autograd.grad(value.square(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_gradient_of_the_constant_sample_is_refused() -> None:
    with pytest.raises(ValueError, match=r"y\.requires_grad=True: the second sample is a constant"):
        weighted_pair_sums(torch.randn(4, 2), torch.randn(4, 2, requires_grad=True), Gaussian(), 1.0, WEIGHTS)


def test_value_needs_no_gradient() -> None:
    x, y = torch.randn(8, 2), torch.randn(6, 2)
    with torch.inference_mode():
        value = weighted_pair_sums(x.clone(), y.clone(), Gaussian(), 1.0, WEIGHTS)
    torch.testing.assert_close(value.clone(), plain(x, y, Gaussian(), 1.0))


def test_second_sample_may_be_empty() -> None:
    x = torch.randn(8, 2, dtype=torch.float64)
    found = weighted_pair_sums(x, x[:0], Gaussian(), 1.0, (1.0, 0.0, 0.0))
    torch.testing.assert_close(found, Gaussian().evaluate(squared_distances(x, x), 1.0).sum())


@pytest.mark.parametrize("kernel", KERNELS, ids=name)
def test_repeated_points_stay_finite(kernel: Kernel) -> None:
    x = torch.ones(10, 4, requires_grad=True)
    value = weighted_pair_sums(x, torch.ones(6, 4), kernel, 1.0, WEIGHTS)
    (gradient,) = torch.autograd.grad(value, x)
    expected = kernel.height * (100 * WEIGHTS[0] + 60 * WEIGHTS[1] + 36 * WEIGHTS[2])
    assert value.item() == pytest.approx(expected, abs=1e-4)
    # Coinciding points lie in no direction from each other.
    assert gradient.abs().max() <= 1e-6


@pytest.mark.parametrize("apart", [0.0, 1e2, 1e4])
@pytest.mark.parametrize("common", [0.0, 1e4])
@pytest.mark.parametrize("split", [0.0, 1e4])
def test_single_precision_survives_offsets(apart: float, common: float, split: float) -> None:
    """Distances within a cloud suffer neither from its place, nor from the place of another cloud."""
    torch.manual_seed(0)
    n, d = 60, 10
    x, y = torch.randn(n, d) + apart + common, torch.randn(n, d) + common
    x[::2] += split
    for kernel, bandwidth in itertools.product((Gaussian(), Energy()), (10.0, torch.tensor(10.0))):
        weights = (1 / n**2, -2 / n**2, 1 / n**2)
        found, exact = [], []
        for results, dtype in ((found, torch.float32), (exact, torch.float64)):
            leaf = x.to(dtype).requires_grad_()
            value = weighted_pair_sums(leaf, y.to(dtype), kernel, bandwidth, weights)
            results += [value.detach().double(), *torch.autograd.grad(value, leaf)]
        size = kernel.evaluate(squared_distances(x.double(), y.double()), 10.0).abs().max() + 1
        # Coordinates of the common offset's size are known to eps of it, and so are the means that are taken off.
        assert abs(found[0] - exact[0]) <= 200 * torch.finfo(torch.float32).eps * size
        assert (found[1] - exact[1]).norm() <= 200 * torch.finfo(torch.float32).eps * exact[1].norm()


def test_row_blocks_cover_each_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_sum, "TILE", 10)
    for rows, columns in [(1, 1), (7, 3), (10, 1), (5, 100), (3, 0), (0, 4)]:
        covered = [row for part in row_blocks(rows, columns) for row in range(rows)[part]]
        assert covered == list(range(rows))


def test_tiles_meet_each_pair_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_sum, "TILE", 9)
    for start, stop in [(0, 1), (2, 11), (0, 3), (4, 4)]:
        parts = tiles(start, stop)
        met = sorted((i, j) for one, other in triangle(parts) for i in members(one) for j in members(other) if i <= j)
        assert met == [(i, j) for i in range(start, stop) for j in range(i, stop)]


def members(part: slice) -> Iterable[int]:
    return range(part.start, part.stop)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("kernel", KERNELS, ids=name)
def test_bandwidth_may_be_a_tensor(kernel: Kernel) -> None:
    x = torch.randn(9, 3, dtype=torch.float64, requires_grad=True)
    y = torch.randn(7, 3, dtype=torch.float64)
    values = [weighted_pair_sums(x, y, kernel, a, WEIGHTS) for a in (1.7, torch.tensor(1.7, dtype=torch.float64))]
    torch.testing.assert_close(values[0], values[1])
    gradients = [torch.autograd.grad(value, x)[0] for value in values]
    torch.testing.assert_close(gradients[0], gradients[1])


@pytest.mark.parametrize("kernel", KERNELS, ids=name)
def test_self_pairs_can_be_left_out(kernel: Kernel) -> None:
    x, y = torch.randn(8, 2, dtype=torch.float64), torch.randn(6, 2, dtype=torch.float64)
    without = weighted_pair_sums(x, y, kernel, 1.0, WEIGHTS, self_pairs=False)
    each = kernel.height * (8 * WEIGHTS[0] + 6 * WEIGHTS[2])
    torch.testing.assert_close(without, weighted_pair_sums(x, y, kernel, 1.0, WEIGHTS) - each)


class Watch(TorchDispatchMode):
    """Counts operations and the entries of the largest tensor that one gives."""

    def __init__(self) -> None:
        super().__init__()
        self.operations, self.largest = 0, 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        self.operations += 1
        self.largest = max([self.largest, *(leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, Tensor))])
        return result


def watch(n: int) -> dict[str, Watch]:
    z, y = torch.randn(n, 3, requires_grad=True), torch.randn(n, 3)
    watches = {what: Watch() for what in ("sampled", "exact", "direction", "discrepancy")}
    with watches["sampled"]:
        mmd_squared(z, y, Gaussian(), 3.0).backward()
    with watches["exact"]:
        mmd_squared_to_standard_normal(z, Gaussian(), 3.0).backward()
    with watches["direction"]:
        stein_direction(z.detach(), y, Gaussian(), 3.0)
    with watches["discrepancy"]:
        ksd_squared(z.detach(), y, Gaussian(), 3.0)
    return watches


def test_no_tensor_holds_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_sum, "TILE", 64**2)
    for watched in watch(300).values():
        assert watched.largest <= 3 * 300 * (3 + 2)  # of both samples, one of them twice


def test_a_small_batch_is_a_few_operations() -> None:
    """Of which, at n = 128, each costs as much as its arithmetic: more than these should be for a reason."""
    counts = {what: watched.operations for what, watched in watch(20).items()}
    most = {"sampled": 65, "exact": 52, "direction": 36, "discrepancy": 52}
    assert all(counts[what] <= most[what] for what in most), counts


@pytest.mark.parametrize("m", [0, 20])
def test_offsets_cost_no_digits_of_distances_within_a_sample(m: int) -> None:
    """Two tight clusters 15 apart, too near for float64: each is centred by itself."""
    x, y = 15 + 0.01 * torch.randn(20, 10), 0.01 * torch.randn(m, 10)
    if m:
        x, y = x - 15, y + 15
    for weights in ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0)):
        found = weighted_pair_sums(x, y, Gaussian(), 1e-4, weights)
        exact = weighted_pair_sums(x.double(), y.double(), Gaussian(), 1e-4, weights)
        torch.testing.assert_close(found.double(), exact, rtol=1e-4, atol=1e-4)
