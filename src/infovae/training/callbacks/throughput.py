"""Training speed in images a second."""

from time import perf_counter
from typing import Any

import pytorch_lightning as pl
import torch


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
        if trainer.is_last_batch:
            self._seconds = self.now(pl_module.device) - self._start

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._seconds:
            pl_module.log("train/images_per_second", self._images / self._seconds)
