"""A callback that tells what an epoch of train.py takes: +callbacks.parts._target_=epoch_parts.EpochParts."""

import json
from pathlib import Path
from time import perf_counter
from typing import Any

import pytorch_lightning as pl


class EpochParts(pl.Callback):
    """Writes a line of JSON for each epoch but the last: seconds by part.

    Args:
        path: of the file.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self._marks: dict[str, float] = {}

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        marks, now = self._marks, perf_counter()
        if "measured" in marks:
            parts = {
                "steps": marks["stepped"] - marks["begun"],
                "validation": marks["validated"] - marks["stepped"],
                "q(z) of the training set": marks["measured"] - marks["validated"],
                "checkpoints and pictures": now - marks["measured"],
            }
            with self.path.open("a") as file:
                file.write(json.dumps(parts) + "\n")
        self._marks = {"begun": now}

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.is_last_batch:
            self._marks["stepped"] = perf_counter()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._marks["validated"] = perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._marks["measured"] = perf_counter()  # after the callback that measures, before those that save
