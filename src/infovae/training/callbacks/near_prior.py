"""Training that ends when q(z) has the prior's size."""

import copy
import logging
import math
from typing import Any

import pytorch_lightning as pl

from infovae.errors import ArgumentError
from infovae.metrics.meanings import of_prior
from infovae.training.callbacks.kept_weights import KEPT

log = logging.getLogger(__name__)


class NearPrior(pl.Callback):
    """End a run with the last weights under which q(z) had the prior's size on training and validation examples.

    An epoch's distance is the larger |log det Cov[q(z)] - log det Cov[p(z)]| of the two splits. The callback keeps the
    weights of the latest epoch whose distance is below ``tolerance``, since reconstruction improves with every step.
    Until there is one, it keeps those of the nearest. Test examples aren't looked at.

    q(z) widens while an encoder learns to tell examples apart, so only a q(z) that is too wide, on either split, counts
    towards the end. Training goes on while q(z) is too narrow, or falls towards the prior from above.

    Every checkpoint holds the kept weights as ``state_dict``, and beside them the weights that training goes on with.

    Args:
        tolerance: in nats.
        patience: number of epochs in a row with a q(z) that is too wide after which the run ends.
    """

    needs = "log_det_covariance"
    monitor = "validation/log_det_covariance"

    def __init__(self, tolerance: float = 0.25, patience: int = 8) -> None:
        if not 0 < tolerance < math.inf:
            raise ArgumentError("tolerance", tolerance, "finite values above 0")
        if patience < 1:
            raise ArgumentError("patience", patience, "whole numbers of at least 1")
        self.tolerance = tolerance
        self.patience = patience
        self.kept_epoch: int | None = None
        """The epoch that the kept weights come from, counted from 1; None if there are none yet."""
        self._distance = math.inf
        self._too_wide = 0
        self._kept: dict[str, Any] | None = None
        self._trained: dict[str, Any] | None = None
        self._validated = False

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._validated = not trainer.sanity_checking

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._trained is not None:
            pl_module.load_state_dict(self._trained)
            self._trained = None

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not self._validated:
            return
        self._validated = False
        if self._is_kept(_measured(trainer, "train"), _measured(trainer, "validation")):
            self.kept_epoch = trainer.current_epoch + 1
            self._kept = copy.deepcopy(pl_module.state_dict())
        if self._too_wide >= self.patience:
            trainer.should_stop = True

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._kept is not None:
            self._trained = copy.deepcopy(pl_module.state_dict())
            pl_module.load_state_dict(self._kept)
            log.info(
                "training ended with epoch %d%s; the weights are those of epoch %d, where log det Cov[q(z)] is at "
                "most %.2g from log det Cov[p(z)] on training and validation examples",
                trainer.current_epoch,
                f", the last {self._too_wide} too wide" if self._too_wide else "",
                self.kept_epoch,
                self._distance,
            )

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if self._kept is not None:
            checkpoint[KEPT] = self._trained or checkpoint["state_dict"]
            checkpoint["state_dict"] = self._kept

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if KEPT in checkpoint:
            self._trained = checkpoint[KEPT]
            self._kept = checkpoint["state_dict"]

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.kept_epoch, "distance": self._distance, "too_wide": self._too_wide}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.kept_epoch, self._distance = state_dict["epoch"], state_dict["distance"]
        self._too_wide = state_dict["too_wide"]

    def _is_kept(self, train: float, validation: float) -> bool:
        """Return whether this epoch's weights replace those kept so far."""
        distance = max(abs(train), abs(validation))
        if distance < max(self.tolerance, self._distance):
            self._distance, self._too_wide = distance, 0
            return True
        self._too_wide = self._too_wide + 1 if max(train, validation) > self.tolerance else 0
        return False


def _measured(trainer: pl.Trainer, split: str) -> float:
    """Return log det Cov[q(z)] - log det Cov[p(z)]; nan counts as a q(z) without width."""
    name = f"{split}/log_det_covariance"
    size, ideal = float(trainer.callback_metrics[name]), float(trainer.callback_metrics.get(of_prior(name), 0.0))
    return -math.inf if math.isnan(size) else size - ideal
