"""Has the posterior calibrated on the training set before anything is measured or saved."""

from typing import cast

import pytorch_lightning as pl

from infovae.data.module import data_module_of
from infovae.module import InfoVAE
from infovae.streams import evaluation_mode, isolated_stream
from infovae.training.callbacks.measured_weights import averages, measured_weights


class Calibration(pl.Callback):
    """Calls the module's ``calibrate`` whenever the weights have moved and are about to be evaluated or saved.

    Running averages would lag behind the encoder, so moments are computed anew. Where the weights are averaged, the
    averages and the weights that training goes on with have moments of their own.
    """

    def __init__(self) -> None:
        self._calibrated_at = -1

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        with measured_weights(trainer, pl_module):
            _calibrate(trainer, cast(InfoVAE, pl_module))
        self._calibrated_at = trainer.global_step

    on_test_start = on_validation_start

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._calibrated_at != trainer.global_step:  # without a validation in this epoch
            self.on_validation_start(trainer, pl_module)
        if averages(trainer):
            _calibrate(trainer, cast(InfoVAE, pl_module))


def _calibrate(trainer: pl.Trainer, module: InfoVAE) -> None:
    """Calibrate the weights that the module holds."""
    if module.posterior.needs_calibration:
        in_precision = trainer.precision_plugin.forward_context
        with evaluation_mode(module), isolated_stream(module.device), in_precision():
            module.calibrate(data_module_of(trainer).evaluation_loader("train"))
