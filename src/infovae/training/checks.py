"""What can be known to be wrong with a run before anything is written or trained."""

from collections.abc import Iterable
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.callbacks import EarlyStopping, WeightAveraging

from infovae.data.module import ImageData
from infovae.errors import UserError
from infovae.module import InfoVAE
from infovae.training.callbacks.aggregate_posterior import AggregatePosterior
from infovae.training.callbacks.kept_weights import KeepsWeights
from infovae.training.job import in_sweep

SPLITS = ("train", "validation", "test")


def check_clipping(cfg: DictConfig, trainer: pl.Trainer) -> None:
    """Refuse to clip gradients of a fused optimiser under mixed precision.

    Lightning refuses it too, at the first step and without naming a key.

    Raises:
        UserError: all three are configured.
    """
    if trainer.gradient_clip_val and "mixed" in trainer.precision and cfg.optimizer.get("fused"):
        raise UserError(
            f"optimizer.fused=true: can't go with trainer.precision={cfg.trainer.precision} and "
            f"trainer.gradient_clip_val={cfg.trainer.gradient_clip_val} together; accepted is optimizer.fused=false"
        )


def check_optimizer(module: InfoVAE, checkpoint: dict[str, Any] | None) -> None:
    """Refuse a checkpoint whose optimiser has other settings or parameters than the configured one.

    Raises:
        UserError: names the settings.
    """
    if checkpoint is None:
        return
    groups = [group for state in checkpoint["optimizer_states"] for group in state["param_groups"]]
    own = module.make_optimizer().state_dict()["param_groups"]
    if len(groups) != len(own) or not all(map(_fits, groups, own)):
        raise UserError(
            f"optimizer: it has {_settings(own)}, and that of the checkpoint {_settings(groups)}; accepted is the "
            "optimiser that the checkpoint was trained with"
        )


def _fits(group: dict[str, Any], own: dict[str, Any]) -> bool:
    """Return whether one has the settings of the other; a later version of torch may have added some."""
    settings = set(group) - {"initial_lr"}, set(own) - {"initial_lr"}  # initial_lr is a schedule's
    return len(group["params"]) == len(own["params"]) and set.intersection(*settings) in settings


def _settings(groups: Iterable[dict[str, Any]]) -> str:
    return ", ".join(sorted({name for group in groups for name in group if name != "params"})) or "none"


def check_batch(module: InfoVAE, data: ImageData) -> None:
    """Refuse batches too small for the divergence, if it is part of the loss.

    Raises:
        UserError: they are.
    """
    # Not from a loader: one made before the trainer is attached would put the images on the wrong device for good.
    size, needed = min(data.batch_size, len(data.splits["train"].images)), module.divergence.minimum_batch
    if module.objective.divergence_weight and size < needed:
        raise UserError(
            f"data.batch_size={data.batch_size}: batches of {size} are too small for divergence "
            f"{type(module.divergence).__name__}; accepted are batches and a train_size of at least {needed}"
        )


def check_processes(trainer: pl.Trainer, data: ImageData) -> None:
    """Refuse several processes in a sweep, and a batch that they can't share evenly.

    Raises:
        UserError: either.
    """
    if trainer.world_size == 1:
        return
    if in_sweep():
        raise UserError(
            f"trainer.devices: {trainer.world_size} processes can't share a multirun, since each would start the whole "
            "sweep anew; accepted are trainer.devices=1 or one command for each run, without -m"
        )
    try:
        data.check_world_size(trainer.world_size)
    except ValueError as error:
        raise UserError(f"data.{error}") from error


def check_callbacks(trainer: pl.Trainer, module: InfoVAE, data: ImageData) -> None:
    """Refuse callbacks that would wait for a metric that is never measured, or that undo each other.

    Raises:
        UserError: names the callback and what it needs.
    """
    callbacks: list[pl.Callback] = getattr(trainer, "callbacks", [])
    measured = _prepare_metrics(callbacks, trainer, module, data)
    for callback in callbacks:
        _check_monitor(callback, trainer, data)
        needed = getattr(callback, "needs", None)
        if needed and needed not in measured:
            raise UserError(
                f"metrics=[{','.join(measured)}]: {type(callback).__name__} goes by {needed}; accepted are lists with "
                f"it, as metrics=[{','.join([*measured, needed])}]"
            )
    averaging = [callback for callback in callbacks if isinstance(callback, WeightAveraging)]
    keeping = [callback for callback in callbacks if isinstance(callback, KeepsWeights)]
    if averaging and keeping:
        raise UserError(
            f"callbacks: {type(averaging[0]).__name__} and {type(keeping[0]).__name__} would each decide with which "
            "weights the run ends; accepted is one of them"
        )


def _prepare_metrics(
    callbacks: Iterable[pl.Callback], trainer: pl.Trainer, module: InfoVAE, data: ImageData
) -> list[str]:
    """Make the metrics, which refuse what they can't measure; return their names."""
    measured: list[str] = []
    for callback in callbacks:
        if isinstance(callback, AggregatePosterior):
            callback.prepare(module, data, trainer.strategy.root_device)
            measured = list(callback.factories)
    return measured


def _check_monitor(callback: pl.Callback, trainer: pl.Trainer, data: ImageData) -> None:
    monitor, name = getattr(callback, "monitor", None), type(callback).__name__
    if not monitor:
        return
    split = monitor.partition("/")[0]
    if split not in SPLITS:
        raise UserError(
            f"callbacks.*.monitor={monitor}: {name} would find no such metric; accepted are columns of metrics.csv, as "
            "validation/loss"
        )
    if split == "validation" and split not in data.evaluation_splits:
        raise UserError(
            f"data.validation_size=0: {name} watches {monitor}; accepted are sizes of at least 1, or a "
            "callbacks.*.monitor of another split, as test/loss or null"
        )
    if split != "train" and trainer.limit_val_batches == 0:
        raise UserError(
            f"trainer.limit_val_batches=0: {name} watches {monitor}; accepted are null, numbers above 0, or a "
            "callbacks.*.monitor of null"
        )
    if split == "train" and isinstance(callback, EarlyStopping) and not _looks_at_the_end(callback, trainer):
        raise UserError(
            f"callbacks.*.monitor={monitor}: {name} looks after validation, before that is known; accepted is "
            "+callbacks.*.check_on_train_epoch_end=true"
        )


def _looks_at_the_end(callback: EarlyStopping, trainer: pl.Trainer) -> bool:
    """Return whether early stopping looks at an epoch's end, its default if each epoch is validated."""
    chosen: bool | None = callback._check_on_train_epoch_end
    by_itself = trainer.val_check_interval == 1.0 and trainer.check_val_every_n_epoch == 1
    return by_itself if chosen is None else chosen
