"""Time that training takes, whatever else runs on the machine."""

from time import perf_counter, process_time
from typing import Any

import pytorch_lightning as pl
import torch


class TrainingTime(pl.Callback):
    """Log each epoch's ``train/seconds``, timed over the steps without evaluation and drawing.

    On a CPU this is the processor time of the process, summed over its threads, so other processes don't count. On a
    GPU it is wall-clock time.
    """

    logs = ("train/seconds",)

    def __init__(self) -> None:
        self._start = 0.0
        self._seconds = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._start = _now(pl_module.device)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.is_last_batch:
            self._seconds = _now(pl_module.device) - self._start

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        pl_module.log("train/seconds", self._seconds)


def _now(device: torch.device) -> float:
    if device.type == "cpu":
        return process_time()
    torch.accelerator.synchronize(device)
    return perf_counter()
