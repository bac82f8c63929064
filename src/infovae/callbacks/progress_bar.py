"""The progress bar."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichProgressBar


class ProgressBar(RichProgressBar):
    """Lightning's, with epochs counted from 1, as people count, and no work at steps that it doesn't show."""

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.is_enabled and (trainer.is_last_batch or (batch_idx + 1) % self.refresh_rate == 0):
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def _get_train_description(self, current_epoch: int) -> str:
        epochs = self.trainer.max_epochs
        described = f"Epoch {current_epoch + 1}" + ("" if epochs in (None, -1) else f"/{epochs}")
        # As long as the other description, so that the bar doesn't jump.
        return described.ljust(len(self.validation_description))
