"""A global batch shared between processes: rank r of w holds rows r, r + w, r + 2 w, ...

All processes keep the same random stream. Each draws the noise of the whole global batch and takes its own rows, so a
run sees the same noise on any number of processes.
"""

from typing import Any

import torch
from jaxtyping import Float, Shaped
from pytorch_lightning.utilities import rank_zero_only
from torch import Tensor, distributed


def rank_and_world_size() -> tuple[int, int]:
    """Return this process's rank and the number of processes that train together; (0, 1) for a single process."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def is_first_process() -> bool:
    """Return whether this process writes files and to the terminal; works before the process group exists."""
    return getattr(rank_zero_only, "rank", 0) == 0


def own_rows(rows: Float[Tensor, "n *shape"]) -> Float[Tensor, "m *shape"]:
    """Return this process's rows of a global batch."""
    rank, world_size = rank_and_world_size()
    return rows[rank::world_size]


def share_of_mean(values: Float[Tensor, " m"], n: int) -> Float[Tensor, ""]:
    """Return this process's share of the mean over a global batch of n examples.

    The average over processes is that mean, even if they hold different numbers of examples: data-parallel training
    averages gradients.
    """
    return values.sum() * (rank_and_world_size()[1] / n)


def gather_rows(rows: Shaped[Tensor, "m *shape"], n: int) -> Shaped[Tensor, "n *shape"]:
    """Return the global batch of n rows in its order, on every process, with gradient.

    Every process must then compute the same function of these rows, and average it over processes. Each then holds the
    whole gradient, so the backward pass communicates nothing.
    """
    if rank_and_world_size()[1] == 1:
        return rows
    return _GatherRows.apply(rows, n)


def sum_over_processes(own: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return the sum of a tensor over processes, on every process, with gradient.

    Unlike after :func:`gather_rows`, each process may do something else with the sum: the gradient is summed too.
    """
    if rank_and_world_size()[1] == 1:
        return own
    return _Sum.apply(own)


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, own: Tensor) -> Tensor:
        total = own.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        distributed.all_reduce(total)
        return total


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, rows: Tensor, n: int) -> Tensor:
        _, world_size = rank_and_world_size()
        # Every process sends as many rows as the fullest one holds. The padding comes last, and is cut off.
        sent = rows.new_zeros(-(-n // world_size), *rows.shape[1:])
        sent[: len(rows)] = rows
        received = [torch.empty_like(sent) for _ in range(world_size)]
        distributed.all_gather(received, sent)
        return torch.stack(received, dim=1).flatten(0, 1)[:n]

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        # The gradient of an all-gather is the sum of the gradients on all processes. These are equal here, and the
        # average over processes undoes the factor.
        return own_rows(gradients[0]) * rank_and_world_size()[1], None
