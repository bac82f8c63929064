"""Sums of a kernel over all pairs of points, and their gradient, in memory that doesn't grow with the pairs.

The kernel matrix is made, summed and dropped a block of rows at a time, and while a block is there the gradient is
taken from it too. With s = ||x - y||^2 and G_ij = k'(s_ij),

    d/dx_i sum_j c_j k(s_ij) = 2 sum_j c_j G_ij (x_i - y_j) = 2 (x_i (G c)_i - (G (c y))_i)

is one matrix product, G times the columns of c y and c; autograd, left to itself, would keep several (n, m) matrices.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from infovae.divergences.kernels import Kernel, centred_squared_distances

BLOCK = 2**18
"""Entries of the kernel matrix held at a time: 1 MB in float32, which stays in a core's cache."""


def row_blocks(rows: int, columns: int) -> list[slice]:
    """Slices that cover all rows, each of about :data:`BLOCK` entries."""
    step = max(1, BLOCK // max(1, columns))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def weighted_pair_sums(
    x: Float[Tensor, "n d"],
    y: Float[Tensor, "m d"],
    kernel: Kernel,
    squared_bandwidth: float | Float[Tensor, ""],
    weights: tuple[float, float, float],
) -> Float[Tensor, ""]:
    """a sum_ij k(x_i, x_j) + b sum_ij k(x_i, y_j) + c sum_ij k(y_i, y_j).

    Pairs of a point with itself are included, each exactly k(0). Differentiable once, in x alone: the bandwidth is a
    constant, and so is y, the sample that x is compared with.

    Args:
        x: the points that move.
        y: the points that stay; there may be none.
        kernel: a radial kernel.
        squared_bandwidth: its sigma^2.
        weights: a, b, c.

    Raises:
        ValueError: y requires a gradient, which it wouldn't get.
    """
    if y.requires_grad:
        raise ValueError("the second sample is taken as constant but requires a gradient; detach it or swap the two")
    total: Tensor = _WeightedPairSums.apply(x, y, kernel, squared_bandwidth, weights)
    return total


class _WeightedPairSums(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        y: Tensor,
        kernel: Kernel,
        squared_bandwidth: float | Tensor,
        weights: tuple[float, float, float],
    ) -> Tensor:
        n, m = len(x), len(y)
        within_x, between, within_y = weights
        # About the mean of x, so that distances within x stay exact however far away y is.
        points = torch.cat([x, y]) - x.mean(dim=0)
        x = points[:n]
        wants_gradient = ctx.needs_input_grad[0]
        if wants_gradient:
            weight = points.new_full((n + m, 1), between)
            weight[:n] = 2 * within_x  # a point is on both sides of its pairs
            # Rows, not columns: a product with few columns is up to four times as slow on a CPU.
            weighted = torch.cat([weight * points, weight], dim=1).T.contiguous()
            gradient = torch.empty_like(x)
        x_blocks, y_blocks = row_blocks(n, n + m), row_blocks(m, m)
        # Made at once: scalars that outlive their block would lie between blocks and keep the heap from reusing them.
        terms = points.new_empty(len(x_blocks) + len(y_blocks))
        for term, rows in zip(terms[: len(x_blocks)], x_blocks, strict=True):
            squared_distance = centred_squared_distances(x[rows], points)
            squared_distance.diagonal(rows.start).zero_()
            value, *slope = kernel.derivatives(squared_distance, squared_bandwidth, order=int(wants_gradient))
            term.copy_(within_x * value[:, :n].sum() + between * value[:, n:].sum())
            if wants_gradient:
                pull = weighted @ slope[0].T  # (d + 1, rows)
                gradient[rows] = 2 * (pull[-1] * x[rows].T - pull[:-1]).T
        if m:
            y = y - y.mean(dim=0)
        for term, rows in zip(terms[len(x_blocks) :], y_blocks, strict=True):
            squared_distance = centred_squared_distances(y[rows], y)
            squared_distance.diagonal(rows.start).zero_()
            term.copy_(within_y * kernel.evaluate(squared_distance, squared_bandwidth).sum())
        if wants_gradient:
            ctx.save_for_backward(gradient)
        return terms.sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer_gradient: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return outer_gradient * gradient, None, None, None, None
