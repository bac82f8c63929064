"""Pruning of the trials of an Optuna study."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import pytorch_lightning as pl

from infovae.module import InfoVAE
from infovae.sweeps.objectives import STOPPED, SearchObjective, dominates


@dataclass(eq=False)
class TrialPruning(pl.Callback):
    """Stop a trial whose objectives aren't finite, or that more than half of the other trials beat at the same epoch.

    Optuna's own pruners take one objective. This rule takes any number: a trial is stopped if more than half of the
    trials that reached its epoch dominated it there. With one objective it stops trials below the median. Until all
    schedules of the loss's weights have ended, only numbers that aren't finite stop a trial.
    """

    storage: str  # URL of the study's
    study_name: str
    trial: int | None  # the number of this run's; None outside a study, where nothing is stopped
    objectives: Sequence[dict[str, Any]]  # see SearchObjective
    warmup_epochs: int = 5  # that every trial gets
    startup_trials: int = 5  # number of other trials that must have reached the epoch

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.trial is None:  # outside a study
            return
        if not any(name.startswith(("validation/", "test/")) for name in trainer.callback_metrics):
            return  # after an epoch without a validation
        import optuna  # an extra

        study = optuna.load_study(study_name=self.study_name, storage=self.storage)
        trials = study.get_trials(deepcopy=False)
        trial = optuna.trial.Trial(study, trials[self.trial]._trial_id)
        epoch = trainer.current_epoch + 1
        age = f"epoch {epoch}"
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        objectives = [SearchObjective(**entry) for entry in self.objectives]
        values = [objective.value(metrics) for objective in objectives]
        trial.set_user_attr(age, values)
        others = [other.user_attrs[age] for other in trials if other.number != self.trial and age in other.user_attrs]
        is_beaten = sum(dominates(other, values, objectives) for other in others) > len(others) / 2
        is_settled = epoch >= self.warmup_epochs and trainer.global_step >= cast(InfoVAE, pl_module).objective.length
        if not all(map(math.isfinite, values)):
            reason = f"not finite after epoch {epoch}"
        elif is_beaten and is_settled and len(others) >= self.startup_trials:
            reason = f"dominated by more than half of {len(others)} trials after epoch {epoch}"
        else:
            return
        trial.set_user_attr(STOPPED, reason)
        trainer.should_stop = True
