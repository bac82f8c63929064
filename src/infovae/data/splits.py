"""Choose which examples go where: pure functions of labels and a seed."""

import torch
from jaxtyping import Int64
from torch import Tensor

from infovae.data.examples import DataSet, Examples
from infovae.errors import ArgumentError


def random_cut(n: int, held_out: int, generator: torch.Generator) -> tuple[Int64[Tensor, " a"], Int64[Tensor, " b"]]:
    """Return the positions of a random n - held_out examples, and of the held-out ones."""
    order = torch.randperm(n, generator=generator)
    return order[held_out:], order[:held_out]


def fixed_cut(n: int, fraction: float, seed: int) -> tuple[Int64[Tensor, " a"], Int64[Tensor, " b"]]:
    """Return the positions of the training and of the test examples, a random cut that the seed decides.

    Raises:
        ArgumentError: the fraction leaves one side without an example.
    """
    held_out = round(n * fraction) if 0 < fraction < 1 else 0
    if not 0 < held_out < n:
        raise ArgumentError(
            "test_fraction", fraction, "fractions that leave at least one on each side",
            f"it leaves none of {n} images to train on, or none to test on",
        )  # fmt: skip
    return random_cut(n, held_out, torch.Generator().manual_seed(seed))


def hold_out(data: Examples, fraction: float, seed: int) -> DataSet:
    """Cut a random test split off; see :func:`fixed_cut`.

    With a fraction of 1, all examples are that split, in their own order, for a model that is trained already.
    """
    if fraction == 1:
        return DataSet(data.take(torch.arange(1)), data.named())
    train, test = (data.named().take(chosen) for chosen in fixed_cut(len(data.x), fraction, seed))
    return DataSet(train, test)


def balanced_subset(labels: Int64[Tensor, " n"], size: int, generator: torch.Generator) -> Int64[Tensor, " size"]:
    """Return the positions of a random subset whose classes differ in size by at most one example.

    A class that has too few examples gives all it has, and the others share the rest.

    Raises:
        ArgumentError: the size is not between 1 and n.
    """
    if not 1 <= size <= len(labels):
        raise ArgumentError("train_size", size, f"whole numbers from 1 to {len(labels)}")
    order = torch.randperm(len(labels), generator=generator)
    # Classes by number from 0: labels themselves may be as large as 10^12, and bincount allocates up to the largest.
    shuffled = labels[order].unique(return_inverse=True)[1]
    # The r-th example of each class has rank r; taking ranks in order deals classes out in turn.
    by_class = torch.argsort(shuffled, stable=True)
    counts = torch.bincount(shuffled)
    starts = torch.cumsum(counts, 0) - counts
    rank = torch.empty_like(by_class)
    rank[by_class] = torch.arange(len(labels)) - starts[shuffled[by_class]]
    return order[torch.argsort(rank, stable=True)[:size]]
