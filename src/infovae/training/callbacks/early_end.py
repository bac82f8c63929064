"""Early stopping that outlasts a restart."""

from typing import Any

import pytorch_lightning as pl


class EarlyEnd(pl.Callback):
    """Keep in each checkpoint whether early stopping, or another callback, ended training; Lightning forgets it.

    Args:
        stays: whether a run that goes on from such a checkpoint stays stopped. A new run that starts from it doesn't,
            nor one with more patience.
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
