"""Sums of a kernel over all pairs of points, and their gradient, in memory that doesn't grow with the pairs.

The kernel matrix is computed, summed and dropped one tile at a time, and each tile adds to the gradient before it is
dropped. With s = ||x - y||^2 and G_ij = k'(s_ij),

    d/dx_i sum_j c_j k(s_ij) = 2 sum_j c_j G_ij (x_i - y_j) = 2 (x_i (G c)_i - (G (c y))_i)

is one matrix product, of G and the columns of c y and c. Autograd would keep several (n, m) matrices instead. Pairs
within a sample are visited once, not in both orders.

A batch of 128 is one tile, and its cost is the number of operations. So one product computes the distances together
with the kernel's factor (:meth:`Kernel.distance_scale`), and weights are factors of other products.
"""

import itertools
import math
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.divergences.kernels import Kernel, is_far
from infovae.divergences.value_with_gradient import ValueAndGradient, value_with_gradient
from infovae.errors import ArgumentError
from infovae.exact import exact, exact_device, rounded

TILE = 2**18
"""Entries of the kernel matrix in memory at a time: 1 MB in float32, which fits in a core's cache."""


def row_blocks(rows: int, columns: int) -> list[slice]:
    """Return slices that cover all rows of a matrix, each of about :data:`TILE` entries."""
    step = max(1, TILE // max(1, columns))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def tiles(start: int, stop: int) -> list[slice]:
    """Return slices that cover the points from start to stop; any two of them form about :data:`TILE` pairs."""
    parts = row_blocks(stop - start, math.isqrt(TILE))
    return [slice(start + part.start, start + part.stop) for part in parts]


def triangle(parts: list[slice]) -> Iterator[tuple[slice, slice]]:
    """Yield each pair of slices in one order, and each slice with itself."""
    return itertools.combinations_with_replacement(parts, 2)


class Sides(NamedTuple):
    """The two factors of a matrix product that has an entry for each pair of points."""

    left: Float[Tensor, "n k"]
    right: Float[Tensor, "k n"]

    def product(self, columns: slice, rows: slice, scale: float = 1.0) -> Float[Tensor, "columns rows"]:
        """Return the entries of some pairs, times ``scale``."""
        left = self.left[columns]
        return torch.addmm(left.new_zeros(1, 1), left, self.right[:, rows], beta=0, alpha=scale)


def distance_sides(points: Float[Tensor, "n d"]) -> Sides:
    """Return factors of -||x - y||^2 / 2 for points near 0: (x, -||x||^2 / 2, 1) and (y, 1, -||y||^2 / 2)."""
    half_norms = points.square() @ points.new_full((points.shape[1], 1), -0.5)
    ones = torch.ones_like(half_norms)
    return Sides(torch.cat([points, half_norms, ones], dim=1), torch.cat([points, ones, half_norms], dim=1).T)


def weighted_pair_sums(
    x: Float[Tensor, "n d"],
    y: Float[Tensor, "m d"],
    kernel: Kernel,
    squared_bandwidth: float | Float[Tensor, ""],
    weights: tuple[float, float, float],
    self_pairs: bool = True,
) -> Float[Tensor, ""]:
    """Return a sum_ij k(x_i, x_j) + b sum_ij k(x_i, y_j) + c sum_ij k(y_i, y_j).

    The result is differentiable once, in x alone: the bandwidth and y are constants.

    Args:
        x: the points that receive the gradient.
        y: constant points; there may be none.
        kernel: a radial kernel.
        squared_bandwidth: its sigma^2.
        weights: a, b, c.
        self_pairs: whether to include the pairs of a point with itself, each exactly k(0).

    Raises:
        ValueError: y requires a gradient, which it would not get.
    """
    if y.requires_grad:
        raise ArgumentError(
            "y.requires_grad", "True", "y.detach(), or x and y swapped", "the second sample is a constant"
        )
    return value_with_gradient(
        x,
        partial(
            pair_sums, y=y, kernel=kernel, squared_bandwidth=squared_bandwidth, weights=weights, self_pairs=self_pairs
        ),
    )


def pair_sums(
    x: Float[Tensor, "n d"],
    wants_gradient: bool,
    y: Float[Tensor, "m d"],
    kernel: Kernel,
    squared_bandwidth: float | Float[Tensor, ""],
    weights: tuple[float, float, float],
    self_pairs: bool,
) -> ValueAndGradient:
    """Return :func:`weighted_pair_sums` and its gradient; call this with autograd off."""
    n, m = len(x), len(y)
    within_x, between, within_y = weights
    # Centre all points at the mean of x, and y also at its own mean: distances within y then don't lose precision if y
    # is far from x.
    centre = x.mean(dim=0)
    about = torch.cat([x - centre, y - centre, y - y.mean(dim=0)] if m else [x - centre])
    if is_far(about):
        if isinstance(squared_bandwidth, Tensor):
            squared_bandwidth = squared_bandwidth.to(exact_device(x.device))
        value, gradient = pair_sums(exact(x), wants_gradient, exact(y), kernel, squared_bandwidth, weights, self_pairs)
        return rounded(value, x), gradient if gradient is None else rounded(gradient, x)
    if isinstance(squared_bandwidth, Tensor):
        # In units of sigma, so a bandwidth on a device never becomes a Python number.
        unit = squared_bandwidth.rsqrt()
        x, y = about[:n] * unit, about[n : n + m] * unit
        value, gradient = pair_sums(x, wants_gradient, y, kernel, 1.0, weights, self_pairs)
        return value, gradient if gradient is None else gradient * unit
    sides = distance_sides(about)
    scale = -2 * kernel.distance_scale(squared_bandwidth)
    # In float64, because the tiles' sums nearly cancel.
    start = 0.0 if self_pairs else -kernel.height * (n * within_x + m * within_y)
    total = torch.full((), start, dtype=torch.float64, device=exact_device(x.device))
    points = sides.left.T
    pulls = torch.zeros_like(points[:, :n])

    def add(columns: slice, rows: slice, weight: float, wants_slope: bool) -> tuple[Tensor, float]:
        scaled = sides.product(columns, rows, scale)
        if rows == columns:
            scaled.fill_diagonal_(0)
        value, slope, factor = kernel.on_scaled(scaled, squared_bandwidth, wants_slope)
        total.add_(value.sum().to(total.device), alpha=weight)  # a sum in float32 needs no conversion of its own
        return slope, -2 * weight * factor

    for rows, columns in triangle(tiles(0, n)):
        # A pair within x pulls both of its points. A tile with itself holds both orders of each pair.
        slope, strength = add(columns, rows, within_x if rows == columns else 2 * within_x, wants_gradient)
        if wants_gradient and rows == columns:
            pulls[:, rows].addmm_(points[:, rows], slope, alpha=2 * strength)
        elif wants_gradient:
            pulls[:, rows].addmm_(points[:, columns], slope, alpha=strength)
            pulls[:, columns].addmm_(points[:, rows], slope.T, alpha=strength)
    for rows, columns in itertools.product(tiles(0, n), tiles(n, n + m)):
        slope, strength = add(columns, rows, between, wants_gradient)
        if wants_gradient:
            pulls[:, rows].addmm_(points[:, columns], slope, alpha=strength)
    for rows, columns in triangle(tiles(n + m, n + 2 * m)):
        add(columns, rows, within_y if rows == columns else 2 * within_y, False)
    gradient = torch.addcmul(pulls[:-2], sides.right[:-2, :n], pulls[-1], value=-1).T if wants_gradient else None
    return rounded(total, x), gradient
