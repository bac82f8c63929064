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

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._images, self._seconds = 0, 0.0
        self._start = perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._images += len(batch[0]) * trainer.world_size
        if trainer.is_last_batch:
            if pl_module.device.type != "cpu":
                torch.accelerator.synchronize(pl_module.device)
            self._seconds = perf_counter() - self._start

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._seconds:
            pl_module.log("train/images_per_second", self._images / self._seconds)
