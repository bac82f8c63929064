"""Any data set as a LightningDataModule."""

import functools
import hashlib
import logging
import math
import os
from collections.abc import Callable, Container, Sequence
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from jaxtyping import Int64
from torch import Tensor

from infovae.data.augmentation import Augmentation
from infovae.data.binarization import Binarization
from infovae.data.condition_columns import ConditionColumns
from infovae.data.description import Description
from infovae.data.examples import DataSet, Examples, Inputs
from infovae.data.loader import Aside, Batch, EpochOrder, Held, Loader, Served, StoredOrder
from infovae.data.memory import Streaming, fits_on, free_memory, gibibytes
from infovae.data.splits import balanced_subset, random_cut
from infovae.data.streamed import Streamed
from infovae.data.values import Standardized, narrowed
from infovae.errors import ArgumentError

log = logging.getLogger(__name__)

TOGETHER = 2**20
"""How many numbers of examples evaluation encodes at a time, at most, if a batch has fewer: it holds no gradients."""


class DataModule(pl.LightningDataModule):
    """Splits a data set by seed and serves it, from the training device if it fits there.

    The constructor reads the set. Labels that aren't 0 to k - 1 are numbered so, in their order; ``classes`` holds the
    original label of each number, and ``class_names`` its name.

    Args:
        source: returns the set; called once, with ``root`` or ``path`` if one is given.
        batch_size: examples in a batch, over all devices together. Evaluation uses the same size, because an estimated
            divergence depends on it.
        train_size: number of training examples to keep, class-balanced; None: all.
        steps_per_epoch: number of batches in an epoch of training, so that runs on sets of different sizes are
            measured and saved equally often; None: one pass through the set.
        validation_size: number of training examples to hold out, or a fraction of them if it is a float; None: use
            the set's own validation split.
        measured_train_size: number of training examples, drawn once, that measure q(z) at each epoch's end; None:
            all.
        evaluation_splits: the splits that are measured at each epoch's end, in order: ``validation``, ``test``, both
            or none. One without examples is left out.
        binarization: of pixels: ``none``, ``threshold`` or ``stochastic`` (anew each epoch for training, fixed for
            evaluation).
        augmentation: of training examples, anew each time one is served; evaluation never augments.
        seed: of the split, the subset, the order of batches, the binarization and the augmentation.
        streaming: whether worker processes stream the set: ``always``, ``never``, or by its size. The batches and
            their order don't depend on it.
        workers: number of processes that stream it; None: one for each core, and at most 8.
        prefetch: number of batches that each of them reads ahead.
        root: the folder that the source reads from, for sources that take one.
        path: the file that the source reads from, for sources that take one.

    Raises:
        ArgumentError: an argument is out of range, or the source refuses one of its own.
    """

    origin: str | None = None
    """The name of a user's own file, which has no splits; it stands in place of one in tables."""

    def __init__(
        self,
        source: Callable[..., DataSet],
        batch_size: int = 128,
        train_size: int | None = None,
        steps_per_epoch: int | None = None,
        validation_size: int | float | None = 5000,
        measured_train_size: int | None = 10000,
        evaluation_splits: Sequence[Literal["validation", "test"]] = ("validation",),
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
        _check_range("batch_size", batch_size, 1)
        _check_range("steps_per_epoch", steps_per_epoch, 1)
        _check_range("measured_train_size", measured_train_size, 1)
        _check_range("workers", workers, 0, 256)
        _check_range("prefetch", prefetch, 1, 1024)
        places = {name: _place(name, place) for name, place in (("root", root), ("path", path)) if place is not None}
        self.source = functools.partial(source, **places)
        sets, self.classes = _numbered(_read(self.source, places))
        _check_pixels(sets, binarization, augmentation)
        # Without classes, all examples have the label 0.
        self.has_classes = sets.train.classes is not None or self.classes.tolist() != [0]
        self.class_names = sets.train.classes or tuple(map(str, self.classes.tolist()))
        generator = torch.Generator().manual_seed(seed)
        held_out = _held_out(validation_size, len(sets.train.x), sets.validation is not None)
        fit, rest = random_cut(len(sets.train.x), held_out, generator)
        if train_size is not None:
            fit = fit[balanced_subset(sets.train.labels[fit], train_size, generator)]
        own = sets.validation if validation_size is None else None
        self.splits = {"train": sets.train.take(fit), "validation": own or sets.train.take(rest), "test": sets.test}
        self.values = sets.values.fitted(*(part.x for part in self.splits.values()))
        # As they came, for a model that was trained on others.
        self.told = {name: part.conditions for name, part in self.splits.items()}
        told, names = self.told["train"], self.splits["train"].condition_names
        self.conditions = None if told is None else ConditionColumns(names=names).fitted(narrowed(told))
        if self.conditions is not None:
            self.splits = {name: _standardized(part, self.conditions) for name, part in self.splits.items()}
        self.batch_size = batch_size
        self.steps_per_epoch = steps_per_epoch
        self.measured_train_size = measured_train_size
        if len(set(evaluation_splits)) < len(evaluation_splits):
            raise ArgumentError("evaluation_splits", list(evaluation_splits), "each split once")
        self.evaluation_splits = tuple(name for name in evaluation_splits if len(self.splits[name].x))
        self.binarization = binarization
        self.augmentation = augmentation
        self.seed = seed
        self.streaming = streaming
        self.workers = min(8, os.cpu_count() or 1) if workers is None else workers
        self.prefetch = prefetch
        self._served: dict[str, Served] = {}

    def __str__(self) -> str:
        """Return the shape and the sizes of the splits; Lightning's own method looks for torch's loaders."""
        sizes = ", ".join(f"{name} {len(part.x)}" for name, part in self.splits.items())
        shape = "x".join(map(str, self.shape))
        is_image = self.values.range == "unit" and len(self.shape) == 3
        return f"images of {shape}: {sizes}" if is_image else f"examples of {shape}, {self.values.name}: {sizes}"

    @property
    def shape(self) -> tuple[int, ...]:
        """(c, *s) of an example: (channels, height, width) of an image, (columns,) of a row of a table."""
        return tuple(self.splits["train"].x.shape[1:])

    @property
    def label_names(self) -> tuple[str, ...]:
        """Of data with several labels, the names of all: the first holds the classes, all are factors."""
        return self.splits["train"].factor_names

    @property
    def image_shape(self) -> tuple[int, ...]:
        """``shape``, under its name in version 0.1."""
        return self.shape

    def inputs(self, name: str) -> Inputs:
        """Return the examples of a split as the model sees them, read by indexing."""
        return Inputs(self.splits[name].x, self.values)

    def state_dict(self) -> dict[str, Any]:
        """Return what a model is built from, for Lightning to keep in each checkpoint: it then needs no data."""
        return self.description.state() | {"fingerprint": self.fingerprint}

    @property
    def description(self) -> Description:
        """What a model is built from."""
        return Description(
            self.shape, self.evaluation_splits, self.values, len(self.classes), self.conditions, self.class_names
        )

    @functools.cached_property  # streamed examples are read from files, and every checkpoint holds it
    def fingerprint(self) -> str:
        """A digest of the training split's size, and of 500 of its examples with their labels."""
        x, labels = self.splits["train"][:2]
        chosen = torch.linspace(0, len(x) - 1, min(500, len(x))).long()
        digest = hashlib.sha256(f"{len(x)} {self.shape}".encode())
        for part in (self.values.held(x[chosen]), labels[chosen]):
            digest.update(part.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def train_dataloader(self) -> Loader:
        return self._loader("train", training=True)

    def val_dataloader(self) -> list[Loader]:
        together = self._together("limit_val_batches")
        return [self._loader(name, training=False, together=together) for name in self.evaluation_splits]

    def test_dataloader(self) -> Loader:
        return self._loader("test", training=False, together=self._together("limit_test_batches"))

    def evaluation_loader(self, name: str, shared: bool = True, stored_order: bool = False) -> Loader:
        """Return a loader of a split, in an order that never changes.

        Args:
            name: ``train``, ``validation`` or ``test``.
            shared: whether each process takes its rows of every batch; otherwise each gets all of them.
            stored_order: whether that order is the split's own; otherwise it is random.
        """
        return self._loader(name, training=False, shared=shared, order=StoredOrder if stored_order else EpochOrder)

    def check_world_size(self, world_size: int) -> None:
        """Refuse batches that can't be divided evenly among so many processes.

        Raises:
            ArgumentError: names the size and the accepted ones.
        """
        if self.batch_size % world_size:
            raise ArgumentError(
                "batch_size", self.batch_size, f"multiples of {world_size}",
                f"it is over all {world_size} devices together",
            )  # fmt: skip
        train_size = len(self.splits["train"].x)
        if train_size < self.batch_size and train_size % world_size:
            raise ArgumentError(
                "train_size", train_size, f"multiples of {world_size}, or at least batch_size={self.batch_size}",
                f"it makes one batch, which {world_size} devices can't share evenly",
            )  # fmt: skip

    def batches_per_epoch(self) -> int:
        """Return how many batches an epoch of training has, where no ``trainer.limit_train_batches`` cuts it."""
        return self.steps_per_epoch or max(1, len(self.splits["train"].x) // self.batch_size)

    def measured_train_loader(self) -> Loader:
        """Return a loader of the training examples that measure q(z), in an order that never changes."""
        return self._loader("train", training=False, most=self.measured_train_size, together=self._together())

    def first_batch(self, name: str, device: torch.device) -> Batch:
        """Return the first examples of a split, as they are stored, as one batch."""
        split = self.splits[name]
        chosen = torch.arange(min(self.batch_size, len(split.x)))
        x = self.values.to_model(split.x[chosen]).to(device)
        return Aside(split.take(chosen), device).batch(x, torch.arange(len(chosen), device=device))

    def _together(self, limit: str = "") -> int:
        """Return how many batches evaluation takes at a time: one, where batches are shared or counted."""
        limited = repr(getattr(self.trainer, limit, 1.0)) != "1.0"  # 1 is one batch, and 1.0 all
        if self.trainer is None or self.trainer.world_size > 1 or limited:
            return 1
        return max(1, TOGETHER // (self.batch_size * math.prod(self.shape)))

    def _loader(
        self,
        name: str,
        training: bool,
        shared: bool = True,
        most: int | None = None,
        order: type[EpochOrder] = EpochOrder,
        together: int = 1,
    ) -> Loader:
        trainer = self.trainer
        rank, world_size = (trainer.global_rank, trainer.world_size) if trainer and shared else (0, 1)
        device = trainer.strategy.root_device if trainer else torch.device("cpu")
        if not self._served:
            self._served = self._serve(device)
        dataset = self._served[name]
        return Loader(
            dataset,
            order(len(dataset), self.seed, shuffle=training, most=most),
            self.batch_size,
            self.binarization,
            drop_last=training,
            rank=rank,
            world_size=world_size,
            augmentation=self.augmentation if training else None,
            steps=self.steps_per_epoch if training else None,
            together=together,
        )

    def _serve(self, device: torch.device) -> dict[str, Served]:
        """Hold all splits on the device, or stream all of them; log which."""
        for name, part in self.splits.items():
            if isinstance(part.x, Tensor):
                self.splits[name] = part._replace(x=self.values.held(part.x))
        size = sum(part.x.nbytes for part in self.splits.values())
        in_files = not all(isinstance(part.x, Tensor) for part in self.splits.values())
        why = f"{gibibytes(size)}, {gibibytes(free_memory())} free, streaming={self.streaming}"
        if in_files or self.streaming == "always" or (self.streaming == "auto" and not fits_on(device, size)):
            place = "files" if in_files else "memory"
            log.info("the data set is streamed from %s by %d workers (%s)", place, self.workers, why)
            return {
                name: Streamed(part, device, self.workers, self.prefetch, self.values)
                for name, part in self.splits.items()
            }
        log.info("the data set is held on %s (%s)", device, why)
        return {name: Held(part, device, self.values) for name, part in self.splits.items()}


ImageData = DataModule
"""The name of version 0.1, which the configs of its runs hold."""


def data_module_of(trainer: pl.Trainer) -> DataModule:
    """Return the data module of a trainer."""
    data = getattr(trainer, "datamodule", None)
    assert isinstance(data, DataModule)
    return data


def _check_range(name: str, value: int | None, least: int, most: int | None = None) -> None:
    if value is not None and (value < least or (most is not None and value > most)):
        accepted = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ArgumentError(name, value, f"whole numbers {accepted}")


def _place(name: str, place: str) -> str:
    if not place:
        raise ArgumentError(name, place, "where the data lie", "empty")
    return os.path.expanduser(place)


def _read(source: Callable[[], DataSet], ours: Container[str]) -> DataSet:
    """Call a source; if it refuses an argument that isn't one of ours too, say that the argument is the source's.

    Raises:
        ArgumentError: the source refused an argument.
    """
    try:
        return source()
    except ArgumentError as error:
        if error.argument in ours:
            raise
        raise ArgumentError(f"source.{error.argument}", error.value, error.accepted, error.why) from error


def _numbered(sets: DataSet) -> tuple[DataSet, Int64[Tensor, " k"]]:
    """Return the sets with classes numbered from 0, and the original label of each number.

    Some measurements allocate an entry for every number up to the largest label, which may be as large as 10^12.
    """
    there = {name: part.named() for name, part in sets.splits().items()}
    classes = torch.cat([part.labels for part in there.values()]).unique()
    if torch.equal(classes, torch.arange(len(classes))):
        return DataSet(**there, values=sets.values), classes
    log.info("labels from %d to %d are numbered 0 to %d", classes[0], classes[-1], len(classes) - 1)

    def numbered(part: Examples) -> Examples:
        names = part.classes and tuple(part.classes[label] for label in classes.tolist())
        return part._replace(labels=torch.searchsorted(classes, part.labels), classes=names)

    return DataSet(**{name: numbered(part) for name, part in there.items()}, values=sets.values), classes


def _standardized(part: Examples, values: Standardized) -> Examples:
    assert part.conditions is not None
    return part._replace(conditions=values.to_model(part.conditions))


def _check_pixels(sets: DataSet, binarization: Binarization, augmentation: Augmentation | None) -> None:
    """Refuse to make black and white, or to bend, what isn't images.

    Raises:
        ArgumentError: names what is asked for.
    """
    if sets.values.range == "unit" and sets.train.x.ndim == 4:
        return
    why = f"these data are {sets.values.name}, of shape {'x'.join(map(str, sets.train.x.shape[1:]))}"
    if binarization != "none":
        raise ArgumentError("binarization", binarization, "none, or images", why)
    if augmentation is not None:
        raise ArgumentError("augmentation", type(augmentation).__name__, "data/augmentation=none, or images", why)


def _held_out(validation_size: int | float | None, n: int, has_own: bool) -> int:
    """Return how many of n training examples to hold out for validation.

    Raises:
        ArgumentError: the split has too few images for this size.
    """
    if validation_size is None:
        if not has_own:
            raise ArgumentError("validation_size", "null", "sizes", "this set has no validation split of its own")
        return 0
    is_fraction = isinstance(validation_size, float)
    # Compared before it is rounded, because NaN and infinity can't be.
    held_out = round(validation_size * n) if is_fraction and 0 <= validation_size < 1 else validation_size
    if not 0 <= held_out < n or not isinstance(held_out, int):
        accepted = "fractions from 0 to below 1" if is_fraction else f"whole numbers from 0 to {n - 1}"
        raise ArgumentError("validation_size", validation_size, accepted)
    return held_out
