"""The config of a run, kept in its checkpoints and applied to the state they hold."""

from collections.abc import Sequence
from typing import Any, cast

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping

from infovae.module import InfoVAE
from infovae.runs.changes import HYPERPARAMETERS, Change
from infovae.training.callbacks.measured_weights import averages


class KeptConfig(pl.Callback):
    """Keep the config in each checkpoint; when a run goes on, apply what has changed since.

    Lightning restores the optimiser's settings and the patience of early stopping with their state, and would go on
    with the old ones. It would also go on from averaged weights once they are no longer averaged.

    Args:
        config: resolved, as plain values.
        changes: what differs from the config of the checkpoint that the run goes on from.
    """

    def __init__(self, config: dict[str, Any], changes: Sequence[Change] = ()) -> None:
        self.config = config
        self.changes = changes

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["config"] = self.config

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if "current_model_state" in checkpoint and not averages(trainer):  # Lightning has loaded the averages
            pl_module.load_state_dict(checkpoint["current_model_state"])
        changed = {change.key.removeprefix("optimizer.") for change in self.changes}.intersection(HYPERPARAMETERS)
        if any(change.key.startswith("scheduler.") for change in self.changes):
            changed.add("lr")  # a schedule that was taken away leaves the rate that it had come to
        for state in checkpoint.get("optimizer_states", []):
            configured = cast(InfoVAE, pl_module).make_optimizer().param_groups
            for group, own in zip(state["param_groups"], configured, strict=True):
                group.update({name: own[name] for name in changed if name in group})
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, EarlyStopping) and callback.state_key in checkpoint.get("callbacks", {}):
                checkpoint["callbacks"][callback.state_key]["patience"] = callback.patience
