"""A callback that makes each epoch of train.py one window of a benchmark: +callbacks.turns._target_=turns.Turns."""

import pytorch_lightning as pl
from windows import Turn


class Turns(pl.Callback):
    """Passes the turn where an epoch begins, so that a window is all that an epoch brings: steps, evaluation, files."""

    def __init__(self) -> None:
        self._turn = Turn()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._turn()
