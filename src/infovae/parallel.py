"""A global batch shared between processes: rank r of w holds rows r, r + w, r + 2 w, ...

All processes keep the same random stream. What is drawn for a batch is drawn for the global batch and each process
takes its rows, so that a run on any number of processes sees the same noise as a run on one.
"""

from typing import Any

import torch
from jaxtyping import Float, Shaped
from pytorch_lightning.utilities import rank_zero_only
from torch import Tensor, distributed


def rank_and_world_size() -> tuple[int, int]:
    """This process's rank, and how many processes train together; (0, 1) where there is but one."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def is_first_process() -> bool:
    """Whether this process writes to files and to the terminal; known before the processes have found each other."""
    return getattr(rank_zero_only, "rank", 0) == 0


def own_rows(rows: Float[Tensor, "n *shape"]) -> Float[Tensor, "m *shape"]:
    """This process's rows of a global batch."""
    rank, world_size = rank_and_world_size()
    return rows[rank::world_size]


def share_of_mean(values: Float[Tensor, " m"], n: int) -> Float[Tensor, ""]:
    """What this process adds to the mean over a global batch of n examples.

    Scaled so that the average over processes is that mean, also where they hold unlike numbers of examples: data-
    parallel training averages gradients.
    """
    return values.sum() * (rank_and_world_size()[1] / n)


def gather_rows(rows: Shaped[Tensor, "m *shape"], n: int) -> Shaped[Tensor, "n *shape"]:
    """The global batch of n rows in its order, on every process, with gradient.

    To be followed by the same computation on every process, averaged over them: each holds the whole gradient then,
    so nothing is communicated on the way back.
    """
    if rank_and_world_size()[1] == 1:
        return rows
    gathered: Tensor = _GatherRows.apply(rows, n)
    return gathered


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, rows: Tensor, n: int) -> Tensor:
        _, world_size = rank_and_world_size()
        # Every process sends as many rows as the fullest holds. What fills up the others comes last, and is cut off.
        sent = rows.new_zeros(-(-n // world_size), *rows.shape[1:])
        sent[: len(rows)] = rows
        received = [torch.empty_like(sent) for _ in range(world_size)]
        distributed.all_gather(received, sent)
        return torch.stack(received, dim=1).flatten(0, 1)[:n]

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        # An all-gather's gradient is the sum over processes of what each wants of these rows. They all want the same,
        # and averaging over processes afterwards undoes the factor.
        return own_rows(gradients[0]) * rank_and_world_size()[1], None
