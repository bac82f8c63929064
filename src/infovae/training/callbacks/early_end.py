"""A run that was stopped before its last epoch stays so."""

from typing import Any

import pytorch_lightning as pl


class EarlyEnd(pl.Callback):
    """Keeps in the checkpoint that training was told to stop, as by early_stopping: Lightning forgets it.

    Args:
        stays: whether a run that goes on from such a checkpoint is over. One that starts from it with settings of its
            own is not.
    """

    def __init__(self, stays: bool) -> None:
        self.stays = stays

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["stopped_early"] = trainer.should_stop

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        trainer.should_stop = self.stays and checkpoint.get("stopped_early", False)
