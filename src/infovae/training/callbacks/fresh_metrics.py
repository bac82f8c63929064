"""Metrics that belong to one epoch alone."""

import pytorch_lightning as pl


class FreshMetrics(pl.Callback):
    """Forget an epoch's metrics when the next begins.

    Lightning keeps a metric until it is measured again. After an epoch without a validation, files, checkpoints, early
    stopping and pruning would take the earlier epoch's numbers for new ones.
    """

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        trainer.callback_metrics.clear()
