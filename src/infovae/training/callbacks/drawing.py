"""Pictures drawn during training."""

import gc
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger

from infovae.data.loader import Batch
from infovae.data.module import data_module_of
from infovae.errors import ArgumentError
from infovae.module import InfoVAE
from infovae.pictures.drawing import draw_pictures, first_batches, save_picture
from infovae.pictures.picture import Picture, Pixels
from infovae.streams import evaluation_mode
from infovae.training.callbacks.kept_weights import kept_epoch
from infovae.training.callbacks.measured_weights import measured_weights
from infovae.training.loggers.tracker import Tracker

PLENTY = 40
"""Pictures of a kind after which the distance from one drawing to the next doubles, and doubles again."""


def is_drawn(epoch: int, every_n_epochs: int) -> bool:
    """Return whether an epoch is drawn: every n-th until ``PLENTY * n``, and then half as often each time they double.

    So a run of 40 n epochs keeps 40 pictures of a kind, one of 400 n keeps 105, and one of 4,000 n keeps 171. A run
    that resumes draws the epochs that one which never stopped does. Epochs count from 1.
    """
    while epoch > PLENTY * every_n_epochs:
        every_n_epochs *= 2
    return epoch % every_n_epochs == 0


class Drawing(pl.Callback):
    """Draw pictures of the test split at the end of every n-th epoch and of the last, as PNG and in each logger.

    Long runs draw less often as they go on: see :func:`is_drawn`.

    A logger gets a picture if it is a :class:`Tracker` or Lightning's for TensorBoard, or has
    ``log_image(key, images)``, as Lightning's for W&B has.

    Args:
        pictures: pictures of ``conf/pictures/``, by name.
        folder: where PNG files go: ``<folder>/<name>-<epoch>.png`` with the epoch that the weights come from, and the
            newest also as ``<folder>/<name>.png``.
        every_n_epochs: number of epochs from one drawing to the next.
    """

    def __init__(self, pictures: Mapping[str, Picture], folder: str, every_n_epochs: int = 5) -> None:
        if every_n_epochs < 1:
            raise ArgumentError("every_n_epochs", every_n_epochs, "whole numbers of at least 1")
        self.pictures = pictures
        self.folder = Path(folder)
        self.every_n_epochs = every_n_epochs
        self._batches: list[Batch] | None = None

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        stops = trainer.should_stop and trainer.fit_loop._can_stop_early  # not before trainer.min_epochs
        is_last = stops or epoch == trainer.max_epochs  # with other weights perhaps, once training ends
        if is_drawn(epoch, self.every_n_epochs) and not is_last:
            self._keep(trainer, cast(InfoVAE, pl_module), epoch)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._keep(trainer, cast(InfoVAE, pl_module), kept_epoch(trainer) or trainer.current_epoch)

    def _keep(self, trainer: pl.Trainer, module: InfoVAE, epoch: int) -> None:
        if not trainer.is_global_zero:
            return
        if self._batches is None:
            self._batches = first_batches(
                data_module_of(trainer).evaluation_loader("test", shared=False), self.pictures
            )
        with measured_weights(trainer, module), evaluation_mode(module), torch.no_grad():
            drawn = draw_pictures(self.pictures, module, self._batches, module.device)
        # A figure, its texts and its canvas of megabytes refer to each other. Python frees such cycles only when much
        # else has been made, and a long run's memory would double.
        gc.collect()
        for name, picture in drawn.items():
            path = self.folder / f"{name}-{epoch:04d}.png"
            save_picture(picture, path)
            save_picture(picture, self.folder / f"{name}.png")
            for logger in trainer.loggers:
                _log(logger, name, picture, path, epoch, trainer.global_step)


def _log(logger: Logger, name: str, picture: Pixels, path: Path, epoch: int, step: int) -> None:
    if isinstance(logger, WandbLogger):  # as a file, which W&B's folder then shares
        logger.log_image(name, [str(path)], caption=[f"epoch {epoch}"])
    elif isinstance(logger, TensorBoardLogger):
        logger.experiment.add_image(name, picture, epoch, dataformats="HWC")
    elif isinstance(logger, Tracker):
        logger.log_image(name, [picture], step)
    elif hasattr(logger, "log_image"):
        logger.log_image(key=name, images=[picture])
