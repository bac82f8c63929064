"""Any image set as a LightningDataModule."""

from collections.abc import Callable

import pytorch_lightning as pl
import torch

from infovae.data.binarization import Binarization
from infovae.data.images import ImageSets
from infovae.data.loader import EpochOrder, TensorImages, TensorLoader
from infovae.data.splits import balanced_subset, split


class ImageData(pl.LightningDataModule):
    """Splits an image set by seed, holds it on the training device and serves it.

    Args:
        source: gives the set; called once.
        batch_size: examples in a batch, over all devices together; evaluation uses the same, since an estimated
            divergence depends on it.
        train_size: how many training examples to keep, class-balanced; all where null.
        validation_size: how many of the set's training examples to hold out, or, with a point, which fraction.
        binarization: ``none``, ``threshold`` or ``stochastic`` (anew each epoch for training, fixed for evaluation).
        seed: of the split, the subset, the order of batches and the binarisation.

    Raises:
        ValueError: a size the set can't give.
    """

    def __init__(
        self,
        source: Callable[[], ImageSets],
        batch_size: int = 128,
        train_size: int | None = None,
        validation_size: int | float = 5000,
        binarization: Binarization = "none",
        seed: int = 1,
    ) -> None:
        super().__init__()
        self.source = source
        train, test = source()
        generator = torch.Generator().manual_seed(seed)
        n = len(train.images)
        count = round(validation_size * n) if isinstance(validation_size, float) else validation_size
        fit, held_out = split(n, count, generator)
        if train_size is not None:
            fit = fit[balanced_subset(train.labels[fit], train_size, generator)]
        self.splits = {
            "train": train.take(fit),
            "validation": train.take(held_out),
            "test": test,
        }
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size}: accepted are whole numbers of at least 1")
        self.batch_size = batch_size
        self.binarization = binarization
        self.seed = seed
        self._on_device: dict[str, TensorImages] = {}

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        channels, height, width = self.splits["train"].images.shape[1:]
        return channels, height, width

    @property
    def evaluation_splits(self) -> tuple[str, ...]:
        """The splits that validation goes through, in order."""
        return tuple(name for name in ("validation", "test") if len(self.splits[name].images))

    def train_dataloader(self) -> TensorLoader:
        return self._loader("train", training=True)

    def val_dataloader(self) -> list[TensorLoader]:
        return [self.evaluation_loader(name) for name in self.evaluation_splits]

    def test_dataloader(self) -> TensorLoader:
        return self.evaluation_loader("test")

    def evaluation_loader(self, name: str, shared: bool = True) -> TensorLoader:
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
                f"accepted are multiples of {world_size}"
            )
        train_size = len(self.splits["train"].images)
        if train_size < self.batch_size and train_size % world_size:
            raise ValueError(
                f"train_size={train_size}: it makes one batch, which {world_size} devices can't share evenly; "
                f"accepted are multiples of {world_size}, or at least batch_size={self.batch_size}"
            )

    def _loader(self, name: str, training: bool, shared: bool = True) -> TensorLoader:
        trainer = self.trainer
        rank, world_size = (trainer.global_rank, trainer.world_size) if trainer and shared else (0, 1)
        device = trainer.strategy.root_device if trainer else torch.device("cpu")
        if name not in self._on_device:
            self._on_device[name] = TensorImages(self.splits[name], device)
        dataset = self._on_device[name]
        order = EpochOrder(len(dataset), self.seed, shuffle=training)
        return TensorLoader(
            dataset,
            order,
            self.batch_size,
            self.binarization,
            drop_last=training,
            rank=rank,
            world_size=world_size,
        )


def image_data(trainer: pl.Trainer) -> ImageData:
    """The data module that a trainer runs with."""
    data = getattr(trainer, "datamodule", None)
    assert isinstance(data, ImageData)
    return data
