"""Batches of a data set that lies on the training device: one batch is one index."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from infovae.data.binarization import Binarization, binarize
from infovae.data.images import LabelledImages


class Batch(NamedTuple):
    """What a training step gets; pixels in [0, 1]."""

    images: Float[Tensor, "n c h w"]
    labels: Int64[Tensor, " n"]


class TensorImages:
    """A labelled image set on a device, indexed by tensors of positions."""

    def __init__(self, data: LabelledImages, device: torch.device) -> None:
        self.images: UInt8[Tensor, "n c h w"] = data.images.to(device)
        self.labels: Int64[Tensor, " n"] = data.labels.to(device)
        self.device = device

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, positions: Int64[Tensor, " n"]) -> Batch:
        return Batch(self.images[positions].float().div_(255), self.labels[positions])


class EpochOrder:
    """The order of examples in an epoch: a function of the seed and the epoch alone, so that a resumed run repeats it.

    Args:
        n: how many examples.
        seed: of the run.
        shuffle: anew each epoch; otherwise one random order for all epochs, in which no class comes first.
        rank: which share of each epoch this process takes.
        world_size: how many processes share an epoch; examples that don't divide evenly are left out.
    """

    def __init__(self, n: int, seed: int, shuffle: bool, rank: int = 0, world_size: int = 1) -> None:
        self.n = n
        self.seed = seed
        self.shuffle = shuffle
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        self.epoch = epoch if self.shuffle else 0

    def generator(self, device: torch.device) -> torch.Generator:
        """A random stream for this epoch, independent of any other draw in the program."""
        # An odd multiplier spreads neighbouring (seed, epoch) pairs over the seeds of the generator.
        return torch.Generator(device).manual_seed((self.seed * 0x9E3779B1 + self.epoch) % 2**63)

    def positions(self) -> Int64[Tensor, " n"]:
        """This process's examples, in order."""
        order = torch.randperm(self.n, generator=self.generator(torch.device("cpu")))
        return order[self.rank : self.n - self.n % self.world_size : self.world_size]

    def __len__(self) -> int:
        return self.n // self.world_size


class TensorLoader:
    """Serves a data set in batches, with no worker, no copy and no per-item work.

    Training drops the last, smaller batch, where there is a full one: a divergence estimated from a handful of codes
    is noise. Evaluation cuts the set into batches whose sizes differ by at most one, and drops nothing.
    """

    def __init__(
        self, dataset: TensorImages, sampler: EpochOrder, batch_size: int, binarization: Binarization, drop_last: bool
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size}: accepted are whole numbers of at least 1")
        self.dataset = dataset
        # Where Lightning looks for set_epoch, as in torch's own DataLoader.
        self.sampler = sampler
        self.batch_sampler = None
        self.batch_size = min(batch_size, max(1, len(sampler)))
        self.binarization = binarization
        self.drop_last = drop_last

    def __len__(self) -> int:
        return len(self.sampler) // self.batch_size if self.drop_last else -(-len(self.sampler) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        device = self.dataset.device
        generator = self.sampler.generator(device)
        positions = self.sampler.positions()
        if self.drop_last:
            positions = positions[: len(self) * self.batch_size]
        for chosen in positions.to(device).tensor_split(len(self)) if len(self) else ():
            images, labels = self.dataset[chosen]
            yield Batch(binarize(images, self.binarization, generator), labels)
