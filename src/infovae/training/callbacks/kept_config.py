"""The config of a run and how it stopped, kept in its checkpoints and applied when it goes on."""

from collections.abc import Sequence
from typing import Any, cast

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping

from infovae.module import InfoVAE
from infovae.runs.changes import HYPERPARAMETERS, Change
from infovae.training.callbacks.kept_weights import KEPT, keeping
from infovae.training.callbacks.measured_weights import AVERAGED, averages


class KeptConfig(pl.Callback):
    """Keep in each checkpoint the config and whether a callback ended training; apply both when a run goes on.

    Lightning restores the optimiser's settings and the patience of early stopping with their state, and would go on
    with the old ones. It would also go on from averaged weights, or from those of an earlier epoch, once no callback
    keeps them, and after an early stop, which it forgets.

    Args:
        config: resolved, as plain values.
        changes: what differs from the config of the checkpoint that the run goes on from.
        stopped: whether the run stays stopped, as that one was.
    """

    def __init__(self, config: dict[str, Any], changes: Sequence[Change], stopped: bool) -> None:
        self.config = config
        self.changes = changes
        self.stopped = stopped

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["config"] = self.config
        checkpoint["stopped_early"] = trainer.should_stop

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        trainer.should_stop = self.stopped
        for trained, keepers in ((AVERAGED, averages(trainer)), (KEPT, keeping(trainer))):
            if trained in checkpoint and not keepers:  # Lightning has loaded the weights that were kept
                pl_module.load_state_dict(checkpoint[trained])
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
