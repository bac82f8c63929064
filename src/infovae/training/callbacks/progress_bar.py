"""The progress bar."""

from time import monotonic
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichProgressBar

from infovae.training.callbacks.last_step import is_last_step

SECONDS = 0.1
"""Between two looks at a step: to update the bar at each would take 3 % of a short one."""


class ProgressBar(RichProgressBar):
    """Lightning's progress bar, with epochs counted from 1; it moves ten times a second."""

    _moved = 0.0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if is_last_step(trainer) or monotonic() - self._moved >= SECONDS:
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
            self._moved = monotonic()

    def _get_train_description(self, current_epoch: int) -> str:
        epochs = self.trainer.max_epochs
        described = f"Epoch {current_epoch + 1}" + ("" if epochs in (None, -1) else f"/{epochs}")
        # As long as the other description, so that the bar doesn't jump.
        return described.ljust(len(self.validation_description))
