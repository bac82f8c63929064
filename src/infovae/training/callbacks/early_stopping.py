"""Early stopping that waits for the weights of the objective."""

from typing import cast

import pytorch_lightning as pl
from pytorch_lightning import callbacks

from infovae.module import InfoVAE


class EarlyStopping(callbacks.EarlyStopping):
    """Lightning's early stopping, which looks at no epoch before the objective's schedules have ended.

    Validation weighs by the final weights from the first epoch on. While training weighs by others, that loss may rise
    although training makes progress. Epochs in which the monitored metric wasn't measured are passed over.
    """

    def _should_skip_check(self, trainer: pl.Trainer) -> bool:
        objective = cast(InfoVAE, trainer.lightning_module).objective
        if trainer.global_step < objective.length or super()._should_skip_check(trainer):
            return True
        return {self.monitor, f"{self.monitor.partition('/')[0]}/loss"}.isdisjoint(trainer.callback_metrics)
