"""Time that training takes, whatever else runs on the machine."""

from time import process_time

import pytorch_lightning as pl
import torch

from infovae.training.callbacks.throughput import Throughput


class TrainingTime(Throughput):
    """Log each epoch's ``train/seconds``, timed over the steps without evaluation and drawing.

    On a CPU this is the processor time of the process, summed over its threads, so other processes don't count. On a
    GPU it is wall-clock time.
    """

    logs = ("train/seconds",)

    def now(self, device: torch.device) -> float:
        return process_time() if device.type == "cpu" else super().now(device)

    def _log(self, module: pl.LightningModule) -> None:
        module.log("train/seconds", self._seconds)
