"""The learning rate, moved by a schedule."""

import math
from collections.abc import Mapping
from typing import Any, cast

import pytorch_lightning as pl

from infovae.errors import below
from infovae.module import InfoVAE
from infovae.schedulers.scheduler import Progress, Scheduler
from infovae.training.callbacks.metrics_file import MetricsFile


class LearningRate(pl.Callback):
    """Set the rate of each step by a schedule, and log that of each epoch's last step as ``train/learning_rate``.

    Parameters with a rate of their own have a column too, such as ``train/learning_rate_encoder``.

    Lightning would step a schedule that watches a metric only after the epoch's checkpoints are written, and a resumed
    run would have missed that step. Here the rate is computed anew from the step, the run's length and the rows of
    ``metrics.csv``, which checkpoints hold. The schedule is a factor on the rates of all groups of parameters. One that
    watches a metric sees the rows from the end of all schedules of the loss's weights on: until then the metric may
    well rise.

    Args:
        scheduler: the factor.
        file: has the rows.
        groups: the optimiser's settings for some parameters; see optimizers/groups.py.
    """

    monitor_key = "scheduler.monitor"

    def __init__(
        self, scheduler: Scheduler, file: MetricsFile, groups: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        self.scheduler = scheduler
        self.file = file
        own = {name: settings["lr"] for name, settings in (groups or {}).items() if "lr" in settings}
        self._own = {f"train/learning_rate_{name}": rate for name, rate in own.items()}
        self.logs = ("train/learning_rate", *self._own)
        self._rates: list[float] = []
        self._total = math.inf
        self._factor = 1.0
        self._settled_at = 0  # the step from which on the weights of the loss stay

    @property
    def monitor(self) -> str | None:
        """The column of ``metrics.csv`` that the schedule depends on."""
        return self.scheduler.monitor

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # A checkpoint's optimiser, with the rate it had come to, is restored after this.
        self._rates = [group["lr"] for group in trainer.optimizers[0].param_groups]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._settled_at = cast(InfoVAE, pl_module).objective.length
        self._total = trainer.estimated_stepping_batches
        if self.scheduler.interval == "epoch":
            steps = math.ceil(trainer.num_training_batches / trainer.accumulate_grad_batches)
            self._total = self._total if math.isinf(self._total) else math.ceil(self._total / steps)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.scheduler.interval == "epoch":
            self._set(trainer, trainer.current_epoch)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if self.scheduler.interval == "step":
            self._set(trainer, trainer.global_step)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        rates = {"train/learning_rate": trainer.optimizers[0].defaults.get("lr", self._rates[0]), **self._own}
        pl_module.log_dict({name: self._factor * rate for name, rate in rates.items()})

    def _set(self, trainer: pl.Trainer, done: int) -> None:
        rows = self.file.rows
        if self.monitor and self._settled_at:
            rows = [row for row in rows if row["step"] >= self._settled_at]
        with below("scheduler"):
            self._factor = self.scheduler.factor(Progress(done, self._total, rows))
        for group, rate in zip(trainer.optimizers[0].param_groups, self._rates, strict=True):
            group["lr"] = self._factor * rate
