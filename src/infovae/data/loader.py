"""Batches of a data set. If the set is on the training device, a batch is one index operation."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from infovae.data.augmentation import Augmentation
from infovae.data.binarization import Binarization, binarize
from infovae.data.examples import Examples
from infovae.data.values import Bytes, Values
from infovae.errors import ArgumentError


class Batch(NamedTuple):
    """A batch for a training step: this process's rows of a global batch (see :mod:`infovae.parallel`).

    Attributes:
        x: the examples, as the model sees them; see :mod:`infovae.data.values`. Pixels lie in [0, 1].
        labels: their classes.
        global_size: number of examples in the global batch; on one process, the number of rows.
        factors: known factors of variation, if there are any.
        conditions: what encoder and decoder are given beside x and z, if anything.
        sizes: of the global batches that are served as one, where evaluation encodes several at a time.
    """

    x: Float[Tensor, "n c *s"]
    labels: Int64[Tensor, " n"]
    global_size: int
    factors: Int64[Tensor, "n k"] | None = None
    conditions: Float[Tensor, "n k"] | None = None
    sizes: tuple[int, ...] = ()

    @property
    def images(self) -> Float[Tensor, "n c h w"]:
        """``x``, under its name in version 0.1."""
        return self.x

    @property
    def parts(self) -> list[tuple[int, int]]:
        """The global size of each batch that is part of this one, and how many of its rows are this process's."""
        return [(size, size) for size in self.sizes] or [(self.global_size, len(self.x))]

    def rows(self, chosen: slice) -> "Batch":
        """Return some of this process's rows, of the same global batch."""
        factors, conditions = (None if part is None else part[chosen] for part in (self.factors, self.conditions))
        return self._replace(x=self.x[chosen], labels=self.labels[chosen], factors=factors, conditions=conditions)


@runtime_checkable
class Served(Protocol):
    """A data set that is indexed by batches of positions."""

    device: torch.device
    """Where batches are put."""

    def __len__(self) -> int: ...

    def batches(self, chosen: Sequence[Int64[Tensor, " _n"]]) -> Iterator[Batch]:
        """Yield a batch for each tensor of positions, in order; positions are on the device."""


class Held:
    """A data set that is held on a device, as it is stored; float64 as the model sees it.

    Args:
        data: examples in memory.
        device: where to hold them.
        values: what their entries mean; None: bytes of images.
    """

    def __init__(self, data: Examples, device: torch.device, values: Values | None = None) -> None:
        assert isinstance(data.x, Tensor)
        values = values or Bytes()
        converted = data.x.dtype == torch.float64  # twice as large, and Apple's GPUs have none
        self.x: Shaped[Tensor, "n c *s"] = (values.to_model(data.x) if converted else data.x).to(device)
        self.to_model: Callable[[Tensor], Tensor] = Tensor.float if converted else values.to_model
        self.aside = Aside(data, device)
        self.device = device

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, positions: Int64[Tensor, " n"]) -> Batch:
        # Copies whole rows, which is many times as fast as self.x[positions].
        return self.aside.batch(self.to_model(self.x.index_select(0, positions)), positions)

    def batches(self, chosen: Sequence[Int64[Tensor, " _n"]]) -> Iterator[Batch]:
        return map(self.__getitem__, chosen)


class Aside:
    """What goes with the examples of a data set, on a device: labels, factors and conditions.

    Args:
        data: the examples.
        device: where to hold it.
    """

    def __init__(self, data: Examples, device: torch.device) -> None:
        self.labels: Int64[Tensor, " n"] = data.labels.to(device)
        self.factors = None if data.factors is None else data.factors.to(device)
        self.conditions = None if data.conditions is None else data.conditions.to(device)

    def batch(self, x: Float[Tensor, "n c *s"], positions: Int64[Tensor, " n"]) -> Batch:
        """Return the examples at these positions as a batch."""
        factors, conditions = (None if part is None else part[positions] for part in (self.factors, self.conditions))
        return Batch(x, self.labels[positions], len(positions), factors, conditions)


class EpochOrder:
    """The order of examples in an epoch, a function of the seed and the epoch alone.

    A resumed run therefore repeats it, and all processes agree on it.

    Args:
        n: number of examples.
        seed: of the run.
        shuffle: whether each epoch has its own order; otherwise all epochs share one random order.
        most: how many examples to take; None: all.
    """

    def __init__(self, n: int, seed: int, shuffle: bool, most: int | None = None) -> None:
        self.n = n
        self.seed = seed
        self.shuffle = shuffle
        self.most = n if most is None else min(n, most)
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; Lightning calls this before each one."""
        self.epoch = epoch if self.shuffle else 0

    def of_pass(self, number: int) -> "EpochOrder":
        """Return the order of another pass through the examples."""
        order = type(self)(self.n, self.seed, self.shuffle, self.most)
        order.set_epoch(number)
        return order

    def generator(self, device: torch.device, start: int = 0) -> torch.Generator:
        """Return a random stream for this epoch from batch ``start`` on, independent of all others."""
        # An odd multiplier maps neighbouring (seed, epoch) pairs to distant seeds.
        return torch.Generator(device).manual_seed((self.seed * 0x9E3779B1 + self.epoch + (start << 32)) % 2**63)

    def positions(self) -> Int64[Tensor, " n"]:
        """Return the positions of the examples, in order."""
        return torch.randperm(self.n, generator=self.generator(torch.device("cpu")))[: self.most]

    def __len__(self) -> int:
        return self.most


class StoredOrder(EpochOrder):
    """The order in which the examples are stored."""

    def positions(self) -> Int64[Tensor, " n"]:
        return torch.arange(self.most)


class Loader:
    """Serves a data set in batches, with no work for each item.

    Training drops the last, smaller batch if there is a full one, because a divergence estimated from a few codes is
    noise. Evaluation cuts the set into batches whose sizes differ by at most one, and drops nothing.

    The batches don't depend on the number of processes; process r of w takes rows r, r + w, ... of each. All processes
    therefore have equally many batches, and some of them have a row less in a batch that doesn't divide evenly.

    Args:
        dataset: the examples.
        sampler: the order of an epoch.
        batch_size: of the global batch.
        binarization: of pixels.
        drop_last: true for training.
        rank: of this process.
        world_size: number of processes that share each batch.
        augmentation: of whole batches of training images.
        steps: number of batches in an epoch, which may be part of a pass through the set or several passes. The
            sequence of batches is the same wherever epochs end. None: an epoch is a pass.
        together: how many batches are served as one, to a single process that evaluates.
    """

    def __init__(
        self,
        dataset: Served,
        sampler: EpochOrder,
        batch_size: int,
        binarization: Binarization,
        drop_last: bool,
        rank: int = 0,
        world_size: int = 1,
        augmentation: Augmentation | None = None,
        steps: int | None = None,
        together: int = 1,
    ) -> None:
        if batch_size < 1:
            raise ArgumentError("batch_size", batch_size, "whole numbers of at least 1")
        self.dataset = dataset
        # Lightning looks for set_epoch under this name, as in torch's own DataLoader.
        self.sampler = sampler
        self.batch_sampler = None
        self.batch_size = min(batch_size, max(1, len(sampler)))
        self.binarization = binarization
        self.drop_last = drop_last
        self.rank = rank
        self.world_size = world_size
        self.augmentation = augmentation
        n = len(sampler)
        self._in_a_pass = n // self.batch_size if drop_last else -(-n // self.batch_size)
        self._steps = self._in_a_pass if steps is None else steps
        self.together = together

    def __len__(self) -> int:
        return -(-self._steps // self.together)

    def __iter__(self) -> Iterator[Batch]:
        for order, start, stop in self._passes():
            yield from self._batches(order, start, stop)

    def _passes(self) -> Iterator[tuple[EpochOrder, int, int]]:
        """Yield what the current epoch takes of each pass: the order, the first batch, and the batch to stop before."""
        step, end = (self._steps * epoch for epoch in (self.sampler.epoch, self.sampler.epoch + 1))
        while step < end:
            number, start = divmod(step, self._in_a_pass)
            stop = min(self._in_a_pass, start + end - step)
            yield self.sampler.of_pass(number), start, stop
            step += stop - start

    def _batches(self, order: EpochOrder, start: int, stop: int) -> Iterator[Batch]:
        """Yield some of the batches of a pass."""
        device = self.dataset.device
        generator = order.generator(device, start)
        own = slice(self.rank, None, self.world_size)
        whole = self._cut(order, device)[start:stop]
        # Random numbers are drawn for the global batch, so that they don't depend on the number of processes.
        random = self.binarization == "stochastic" or self.augmentation is not None
        if self.together > 1:
            grouped = [whole[first : first + self.together] for first in range(0, len(whole), self.together)]
            sizes = [tuple(map(len, group)) for group in grouped]
            whole = tuple(map(torch.cat, grouped))
        else:
            sizes = [()] * len(whole)
        chosen = whole if random else [batch[own] for batch in whole]
        for positions, parts, batch in zip(whole, sizes, self.dataset.batches(chosen), strict=True):
            x = batch.x if self.augmentation is None else self.augmentation(batch.x, generator)
            x = binarize(x, self.binarization, generator)
            batch = batch._replace(x=x, global_size=len(positions), sizes=parts)
            yield batch.rows(own) if random else batch

    def positions_of(self, batch_index: int) -> Int64[Tensor, " n"]:
        """Return the positions in the set of this process's rows of a batch of the current epoch."""
        cpu = torch.device("cpu")
        whole = [batch for order, start, stop in self._passes() for batch in self._cut(order, cpu)[start:stop]]
        return whole[batch_index][self.rank :: self.world_size]

    def _cut(self, order: EpochOrder, device: torch.device) -> tuple[Int64[Tensor, " _n"], ...]:
        """Return the positions of each global batch of a pass."""
        positions = order.positions()
        if self.drop_last:
            positions = positions[: self._in_a_pass * self.batch_size]
        return positions.to(device).tensor_split(self._in_a_pass)
