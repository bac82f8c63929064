"""Which examples go where: pure functions of labels and a seed."""

import torch
from jaxtyping import Int64
from torch import Tensor


def split(n: int, held_out: int, generator: torch.Generator) -> tuple[Int64[Tensor, " a"], Int64[Tensor, " b"]]:
    """Indices of a random n - held_out examples, and of the held-out rest.

    Raises:
        ValueError: nothing would be left to train on.
    """
    if not 0 <= held_out < n:
        raise ValueError(f"validation_size={held_out}: invalid; accepted: whole numbers from 0 to {n - 1}")
    order = torch.randperm(n, generator=generator)
    return order[held_out:], order[:held_out]


def balanced_subset(labels: Int64[Tensor, " n"], size: int, generator: torch.Generator) -> Int64[Tensor, " size"]:
    """Positions of a random subset in which classes differ by at most one example, as far as they suffice.

    A class that has too few gives all it has and the others share what is missing.

    Raises:
        ValueError: size is not between 1 and n.
    """
    if not 1 <= size <= len(labels):
        raise ValueError(f"train_size={size}: invalid; accepted: whole numbers from 1 to {len(labels)}")
    order = torch.randperm(len(labels), generator=generator)
    shuffled = labels[order]
    # The r-th example of each class has rank r; taking ranks in order deals classes out in turn.
    by_class = torch.argsort(shuffled, stable=True)
    counts = torch.bincount(shuffled)
    starts = torch.cumsum(counts, 0) - counts
    rank = torch.empty_like(by_class)
    rank[by_class] = torch.arange(len(labels)) - starts[shuffled[by_class]]
    return order[torch.argsort(rank, stable=True)[:size]]
