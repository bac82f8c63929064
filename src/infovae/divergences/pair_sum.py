"""Sums of a kernel over all pairs of points, and their gradient, in memory that doesn't grow with the pairs.

The kernel matrix is made, summed and dropped a tile at a time, and while a tile is there the gradient is taken from it
too. With s = ||x - y||^2 and G_ij = k'(s_ij),

    d/dx_i sum_j c_j k(s_ij) = 2 sum_j c_j G_ij (x_i - y_j) = 2 (x_i (G c)_i - (G (c y))_i)

is one matrix product, G times the columns of c y and c; autograd, left to itself, would keep several (n, m) matrices.
Pairs within a sample are visited once, not in both orders.

A batch of 128 is one tile, and what it costs is the number of operations. So distances are one product, with what the
kernel would multiply them by (:meth:`Kernel.distance_scale`), and weights are numbers that products take along.
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

BLOCK = 2**18
"""Entries of the kernel matrix held at a time: 1 MB in float32, which stays in a core's cache."""


def row_blocks(rows: int, columns: int) -> list[slice]:
    """Slices that cover all rows, each of about :data:`BLOCK` entries."""
    step = max(1, BLOCK // max(1, columns))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def tiles(start: int, stop: int) -> list[slice]:
    """Slices that cover the points from start to stop, any two of which make about :data:`BLOCK` pairs."""
    parts = row_blocks(stop - start, math.isqrt(BLOCK))
    return [slice(start + part.start, start + part.stop) for part in parts]


def triangle(parts: list[slice]) -> Iterator[tuple[slice, slice]]:
    """Each pair of slices in one order, and each slice with itself."""
    return itertools.combinations_with_replacement(parts, 2)


class Sides(NamedTuple):
    """The two sides of a matrix product that has an entry for each pair of points."""

    left: Float[Tensor, "n k"]
    right: Float[Tensor, "k n"]

    def product(self, columns: slice, rows: slice, scale: float = 1.0) -> Float[Tensor, "columns rows"]:
        """The entries of some pairs."""
        left = self.left[columns]
        return torch.addmm(left.new_zeros(1, 1), left, self.right[:, rows], beta=0, alpha=scale)


def distance_sides(points: Float[Tensor, "n d"]) -> Sides:
    """What makes -||x - y||^2 / 2 of points about the origin: x, -||x||^2 / 2, 1 by y, 1, -||y||^2 / 2."""
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
    """a sum_ij k(x_i, x_j) + b sum_ij k(x_i, y_j) + c sum_ij k(y_i, y_j).

    Differentiable once, in x alone: the bandwidth is a constant, and so is y, the sample that x is compared with.

    Args:
        x: the points that move.
        y: the points that stay; there may be none.
        kernel: a radial kernel.
        squared_bandwidth: its sigma^2.
        weights: a, b, c.
        self_pairs: whether the pairs of a point with itself are included, each exactly k(0).

    Raises:
        ValueError: y requires a gradient, which it wouldn't get.
    """
    if y.requires_grad:
        raise ValueError("the second sample is taken as constant but requires a gradient; detach it or swap the two")
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
    """:func:`weighted_pair_sums` and its gradient, to be called with autograd off."""
    if isinstance(squared_bandwidth, Tensor):
        # In units of sigma: a bandwidth on a device never has to become a number here.
        unit = squared_bandwidth.rsqrt()
        value, gradient = pair_sums(x * unit, wants_gradient, y * unit, kernel, 1.0, weights, self_pairs)
        return value, gradient if gradient is None else gradient * unit
    n, m = len(x), len(y)
    within_x, between, within_y = weights
    # About the mean of x, and y once more about its own: distances within either stay exact however far the other is.
    centre = x.mean(dim=0)
    about = torch.cat([x - centre, y - centre, y - y.mean(dim=0)] if m else [x - centre])
    if is_far(about):
        value, gradient = pair_sums(
            x.double(), wants_gradient, y.double(), kernel, squared_bandwidth, weights, self_pairs
        )
        return value.to(x.dtype), gradient if gradient is None else gradient.to(x.dtype)
    sides = distance_sides(about)
    scale = -2 * kernel.distance_scale(squared_bandwidth)
    # In double precision: there are as many terms as tiles, and they nearly cancel.
    total = x.new_full((), 0.0 if self_pairs else -kernel.height * (n * within_x + m * within_y), dtype=torch.float64)
    points = sides.left.T
    pulls = torch.zeros_like(points[:, :n])

    def add(columns: slice, rows: slice, weight: float, wants_slope: bool) -> tuple[Tensor, float]:
        scaled = sides.product(columns, rows, scale)
        if rows == columns:
            scaled.fill_diagonal_(0)
        value, slope, factor = kernel.on_scaled(scaled, squared_bandwidth, wants_slope)
        total.add_(value.sum(), alpha=weight)
        return slope, -2 * weight * factor

    for rows, columns in triangle(tiles(0, n)):
        # A pair within x moves both of its points; those of a tile with itself come in both orders.
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
    return total.to(x.dtype), gradient
