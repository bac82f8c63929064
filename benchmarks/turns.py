"""A callback that makes windows of a benchmark of the epochs of train.py: +callbacks.turns._target_=turns.Turns."""

from typing import Any

import pytorch_lightning as pl
from windows import Turn


class Turns(pl.Callback):
    """Passes the turn where an epoch begins.

    Args:
        steps_alone: whether a window ends with the last step; otherwise it is all that an epoch brings, with its
            evaluation, files and pictures.
    """

    def __init__(self, steps_alone: bool = False) -> None:
        self.steps_alone = steps_alone
        self._turn = Turn()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._turn.begin()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.steps_alone and trainer.is_last_batch:
            self._turn.end()
