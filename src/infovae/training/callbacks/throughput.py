"""Training speed in images a second."""

from time import perf_counter
from typing import Any

import pytorch_lightning as pl
import torch

from infovae.training.callbacks.last_step import is_last_step


class Throughput(pl.Callback):
    """Log each epoch's ``train/images_per_second``, timed over the steps without evaluation and drawing."""

    logs = ("train/images_per_second",)

    def __init__(self) -> None:
        self._images = 0
        self._start = 0.0
        self._seconds = 0.0

    def now(self, device: torch.device) -> float:
        """Return the time in seconds, once the device has done its work."""
        if device.type != "cpu":
            torch.accelerator.synchronize(device)
        return perf_counter()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._images, self._seconds, self._start = 0, 0.0, self.now(pl_module.device)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._images += len(batch[0]) * trainer.world_size
        if is_last_step(trainer):
            self._stop(pl_module.device)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if is_last_step(trainer):  # Lightning's timer ends a run after this callback's look at the step
            self._stop(pl_module.device)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop(pl_module.device)
        self._log(pl_module)

    def _stop(self, device: torch.device) -> None:
        """Stop the epoch's clock, unless it stands already."""
        self._seconds = self._seconds or self.now(device) - self._start

    def _log(self, module: pl.LightningModule) -> None:
        module.log("train/images_per_second", self._images / self._seconds)
