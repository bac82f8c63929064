"""The end of training where q(z) has the prior's size."""

import copy
import logging
import math
from typing import Any

import pytorch_lightning as pl

log = logging.getLogger(__name__)


class NearPrior(pl.Callback):
    """Ends a run with the weights by which q(z) last had the prior's size on training and on validation examples.

    A measurement is as far off as the larger |log det Cov[q(z)]| of the two splits. Kept are the weights of the latest
    that is off by less than ``tolerance``: the latest, since reconstruction gains by every step. As long as there was
    none, those of the nearest. Test examples have no say, and nothing is known of what comes later.

    q(z) widens while an encoder learns to tell examples apart, so only one that is too wide, on either split, counts
    towards the end. One that is still too narrow, or that falls towards the prior from above, goes on.

    Every checkpoint has the kept weights in ``state_dict``, for all who measure it, and beside them those that training
    goes on with.

    Args:
        tolerance: in nats.
        patience: so many measurements in a row that are too wide end the run.
    """

    needs = "log_det_covariance"
    monitor = "validation/log_det_covariance"

    def __init__(self, tolerance: float = 0.25, patience: int = 8) -> None:
        if not 0 < tolerance < math.inf:
            raise ValueError(f"tolerance={tolerance}: invalid; accepted: finite values above 0")
        if patience < 1:
            raise ValueError(f"patience={patience}: invalid; accepted: whole numbers of at least 1")
        self.tolerance = tolerance
        self.patience = patience
        self.kept_epoch: int | None = None
        """After which the kept weights were measured, counted from 1; None where there are none yet."""
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
                "training ended with epoch %d%s; the weights are those of epoch %d, where |log det Cov[q(z)]| is at "
                "most %.2g on training and validation examples",
                trainer.current_epoch,
                f", the last {self._too_wide} too wide" if self._too_wide else "",
                self.kept_epoch,
                self._distance,
            )

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if self._kept is not None:
            checkpoint["trained_weights"] = self._trained or checkpoint["state_dict"]
            checkpoint["state_dict"] = self._kept

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if "trained_weights" in checkpoint:
            self._trained = checkpoint["trained_weights"]
            self._kept = checkpoint["state_dict"]

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.kept_epoch, "distance": self._distance, "too_wide": self._too_wide}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.kept_epoch, self._distance = state_dict["epoch"], state_dict["distance"]
        self._too_wide = state_dict["too_wide"]

    def _is_kept(self, train: float, validation: float) -> bool:
        """Whether this measurement takes the place of the one kept so far."""
        distance = max(abs(train), abs(validation))
        if distance < max(self.tolerance, self._distance):
            self._distance, self._too_wide = distance, 0
            return True
        self._too_wide = self._too_wide + 1 if max(train, validation) > self.tolerance else 0
        return False


def _measured(trainer: pl.Trainer, split: str) -> float:
    """log det Cov[q(z)]; what is no number counts as a q(z) without width."""
    size = float(trainer.callback_metrics[f"{split}/log_det_covariance"])
    return -math.inf if math.isnan(size) else size
