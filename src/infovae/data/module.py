"""Any image set as a LightningDataModule."""

import functools
import logging
import os
from collections.abc import Callable

import pytorch_lightning as pl
import torch
from torch import Tensor

from infovae.data.augmentation import Augmentation
from infovae.data.binarization import Binarization
from infovae.data.images import ImageSets
from infovae.data.loader import EpochOrder, ImageLoader, ServedImages, TensorImages
from infovae.data.memory import Streaming, fits_on, free_memory, gibibytes
from infovae.data.splits import balanced_subset, split
from infovae.data.streamed import StreamedImages

log = logging.getLogger(__name__)


class ImageData(pl.LightningDataModule):
    """Splits an image set by seed and serves it, from the training device where it fits there.

    Args:
        source: gives the set; called once, with the place where it lies if one is given.
        batch_size: examples in a batch, over all devices together; evaluation uses the same, since an estimated
            divergence depends on it.
        train_size: how many training examples to keep, class-balanced; all where null.
        steps_per_epoch: how many batches make an epoch of training, so that runs on sets of different sizes are
            measured and kept equally often; with null, an epoch goes through the set once.
        validation_size: how many of the set's training examples to hold out, or, with a point, which fraction; with
            null, the validation split is the set's own.
        measured_train_size: of how many training examples, drawn once, q(z) is measured at each epoch's end; of all
            with null.
        binarization: ``none``, ``threshold`` or ``stochastic`` (anew each epoch for training, fixed for evaluation).
        augmentation: of training's images, anew each time one is served; measured is always what the set holds.
        seed: of the split, the subset, the order of batches, the binarisation and the augmentation.
        streaming: ``always`` and ``never`` decide what ``auto`` decides by size: whether the set is streamed through
            workers. Either way training sees the same batches in the same order.
        workers: how many processes stream it; with null, one for each core, and at most 8.
        prefetch: how many batches each of them reads ahead.
        root: the folder that the source reads from, for sources that take one.
        path: likewise, the file.

    Raises:
        ValueError: a size the set can't give.
    """

    def __init__(
        self,
        source: Callable[..., ImageSets],
        batch_size: int = 128,
        train_size: int | None = None,
        steps_per_epoch: int | None = None,
        validation_size: int | float | None = 5000,
        measured_train_size: int | None = 10000,
        binarization: Binarization = "none",
        augmentation: Augmentation | None = None,
        seed: int = 1,
        streaming: Streaming = "auto",
        workers: int | None = None,
        prefetch: int = 2,
        root: str | None = None,
        path: str | None = None,
    ) -> None:
        super().__init__()
        _check(batch_size, steps_per_epoch, measured_train_size, workers, prefetch)
        places = {name: os.path.expanduser(place) for name, place in (("root", root), ("path", path)) if place}
        self.source = functools.partial(source, **places)
        train, test, own_validation = self.source()
        generator = torch.Generator().manual_seed(seed)
        n = len(train.images)
        if validation_size is None and own_validation is None:
            raise ValueError("validation_size=null: this set has no validation split of its own; accepted: sizes")
        share = validation_size or 0
        fit, held_out = split(n, round(share * n) if isinstance(share, float) else share, generator)
        if train_size is not None:
            fit = fit[balanced_subset(train.labels[fit], train_size, generator)]
        self.splits = {
            "train": train.take(fit),
            "validation": own_validation if validation_size is None and own_validation else train.take(held_out),
            "test": test,
        }
        self.batch_size = batch_size
        self.steps_per_epoch = steps_per_epoch
        self.measured_train_size = measured_train_size
        self.binarization = binarization
        self.augmentation = augmentation
        self.seed = seed
        self.streaming = streaming
        self.workers = min(8, os.cpu_count() or 1) if workers is None else workers
        self.prefetch = prefetch
        self._served: dict[str, ServedImages] = {}

    def __str__(self) -> str:
        """Lightning's would look for torch's own loaders."""
        sizes = ", ".join(f"{name} {len(split.images)}" for name, split in self.splits.items())
        return f"images of {'x'.join(map(str, self.image_shape))}: {sizes}"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        channels, height, width = self.splits["train"].images.shape[1:]
        return channels, height, width

    @property
    def evaluation_splits(self) -> tuple[str, ...]:
        """The splits that validation goes through, in order."""
        return tuple(name for name in ("validation", "test") if len(self.splits[name].images))

    def train_dataloader(self) -> ImageLoader:
        return self._loader("train", training=True)

    def val_dataloader(self) -> list[ImageLoader]:
        return [self.evaluation_loader(name) for name in self.evaluation_splits]

    def test_dataloader(self) -> ImageLoader:
        return self.evaluation_loader("test")

    def evaluation_loader(self, name: str, shared: bool = True) -> ImageLoader:
        """A split in an order that never changes.

        Args:
            name: ``train``, ``validation`` or ``test``.
            shared: each process takes its rows of every batch; otherwise it gets all of them.
        """
        return self._loader(name, training=False, shared=shared)

    def check_world_size(self, world_size: int) -> None:
        """Refuse, before training, batches that can't be shared out evenly over so many processes.

        Raises:
            ValueError: names the size and what would be accepted.
        """
        if self.batch_size % world_size:
            raise ValueError(
                f"batch_size={self.batch_size}: it is over all {world_size} devices together; "
                f"accepted: multiples of {world_size}"
            )
        train_size = len(self.splits["train"].images)
        if train_size < self.batch_size and train_size % world_size:
            raise ValueError(
                f"train_size={train_size}: it makes one batch, which {world_size} devices can't share evenly; "
                f"accepted: multiples of {world_size}, or at least batch_size={self.batch_size}"
            )

    def measured_train_loader(self) -> ImageLoader:
        """The training examples by which an epoch's q(z) is measured, in an order that never changes."""
        return self._loader("train", training=False, most=self.measured_train_size)

    def _loader(self, name: str, training: bool, shared: bool = True, most: int | None = None) -> ImageLoader:
        trainer = self.trainer
        rank, world_size = (trainer.global_rank, trainer.world_size) if trainer and shared else (0, 1)
        device = trainer.strategy.root_device if trainer else torch.device("cpu")
        if not self._served:
            self._served = self._serve(device)
        dataset = self._served[name]
        order = EpochOrder(len(dataset), self.seed, shuffle=training, most=most)
        return ImageLoader(
            dataset,
            order,
            self.batch_size,
            self.binarization,
            drop_last=training,
            rank=rank,
            world_size=world_size,
            augmentation=self.augmentation if training else None,
            steps=self.steps_per_epoch if training else None,
        )

    def _serve(self, device: torch.device) -> dict[str, ServedImages]:
        """All splits, held or streamed alike; says which in the log."""
        size = sum(part.images.nbytes for part in self.splits.values())
        in_files = not all(isinstance(part.images, Tensor) for part in self.splits.values())
        told = (
            f"{gibibytes(size)} of images, {gibibytes(free_memory())} of memory free, data.streaming={self.streaming}"
        )
        if in_files or self.streaming == "always" or (self.streaming == "auto" and not fits_on(device, size)):
            place = "files" if in_files else "memory"
            log.info("the data set is streamed from %s by %d workers (%s)", place, self.workers, told)
            return {
                name: StreamedImages(part, device, self.workers, self.prefetch) for name, part in self.splits.items()
            }
        log.info("the data set is held on %s (%s)", device, told)
        return {name: TensorImages(part, device) for name, part in self.splits.items()}


def _check(
    batch_size: int, steps_per_epoch: int | None, measured_train_size: int | None, workers: int | None, prefetch: int
) -> None:
    least_values = {
        "batch_size": (batch_size, 1),
        "steps_per_epoch": (steps_per_epoch, 1),
        "measured_train_size": (measured_train_size, 1),
        "workers": (workers, 0),
        "prefetch": (prefetch, 1),
    }
    for name, (value, least) in least_values.items():
        if value is not None and value < least:
            raise ValueError(f"{name}={value}: invalid; accepted: whole numbers of at least {least}")


def image_data(trainer: pl.Trainer) -> ImageData:
    """The data module that a trainer runs with."""
    data = getattr(trainer, "datamodule", None)
    assert isinstance(data, ImageData)
    return data
