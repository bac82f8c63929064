"""What can be known to be wrong with a run before anything is written or trained."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

from infovae.data.module import ImageData
from infovae.errors import ArgumentError, UserError
from infovae.module import InfoVAE
from infovae.runs.changes import ChangedError
from infovae.runs.folder import check_writable
from infovae.training.callbacks.aggregate_posterior import AggregatePosterior
from infovae.training.callbacks.best_checkpoint import BestCheckpoint
from infovae.training.callbacks.kept_weights import KeepsWeights
from infovae.training.callbacks.learning_rate import LearningRate
from infovae.training.callbacks.measured_weights import averages
from infovae.training.job import divergence_name, in_sweep

SPLITS = ("train", "validation", "test")
TERMS = ("loss", "reconstruction", "rate", "divergence", "elbo")
NAMED_AFTER_THEMSELVES = {"log_det_covariance", "mmd", "active_units", "mig", "sap"}
"""Metrics whose columns begin with their own name. Those of others are known once they have been measured."""


def checkpoint_files(trainer: pl.Trainer) -> int:
    """Return how many checkpoints lie on the disk at once: those kept, ``previous.ckpt`` and the one being written."""
    kept = [callback.save_top_k for callback in trainer.callbacks if isinstance(callback, ModelCheckpoint)]  # type: ignore[attr-defined]
    return 2 + sum(k + 1 if k > 1 else 1 for k in kept)  # with several, the best has a copy


def check_clipping(cfg: DictConfig, trainer: pl.Trainer) -> None:
    """Refuse to clip gradients of a fused optimiser under mixed precision.

    Lightning refuses it too, at the first step and without naming a key.

    Raises:
        UserError: all three are configured.
    """
    if trainer.gradient_clip_val and "mixed" in trainer.precision and cfg.optimizer.get("fused"):
        clipping = f"trainer.gradient_clip_val={cfg.trainer.gradient_clip_val}"
        why = f"can't go with trainer.precision={cfg.trainer.precision} and {clipping} together"
        raise UserError(why, key="optimizer.fused", value="true", accepted="optimizer.fused=false")


def check_loggers(cfg: DictConfig) -> None:
    """Refuse loggers that can't write to their folder.

    Raises:
        UserError: names the logger's key.
    """
    for name, node in (cfg.get("logger") or {}).items():
        if node is not None and node.get("save_dir"):
            check_writable(Path(node.save_dir), f"logger.{name}.save_dir")


def check_optimizer(module: InfoVAE, checkpoint: dict[str, Any] | None) -> None:
    """Refuse groups of parameters that the model doesn't have, and a checkpoint of another optimiser.

    Raises:
        UserError: names the group, or the settings in which the optimisers differ.
    """
    try:
        own = module.make_optimizer().state_dict()["param_groups"]
    except ArgumentError as error:
        raise error.below("parameter_groups") from error
    if checkpoint is None:
        return
    groups = [group for state in checkpoint["optimizer_states"] for group in state["param_groups"]]
    if len(groups) != len(own) or not all(map(_fits, groups, own)):
        why = f"it has {_settings(own)}, and that of the checkpoint {_settings(groups)}"
        raise UserError(why, key="optimizer", accepted="the optimiser that the checkpoint was trained with")


def _fits(group: dict[str, Any], own: dict[str, Any]) -> bool:
    """Return whether one has the settings of the other; a later version of torch may have added some."""
    settings = set(group) - {"initial_lr"}, set(own) - {"initial_lr"}  # initial_lr is a schedule's
    return len(group["params"]) == len(own["params"]) and set.intersection(*settings) in settings


def _settings(groups: Iterable[dict[str, Any]]) -> str:
    return ", ".join(sorted({name for group in groups for name in group if name != "params"})) or "none"


def check_transfer(cfg: DictConfig) -> None:
    """Refuse parts without a run that they come from.

    Raises:
        UserError: names them.
    """
    if cfg.init_parts is not None and cfg.init_from is None:
        shown = f"[{','.join(cfg.init_parts)}]"
        raise UserError("no run to take them from", key="init_parts", value=shown, accepted="init_from=RUN beside it")


def check_batch(module: InfoVAE, data: ImageData) -> None:
    """Refuse batches too small for the divergence, if it is part of the loss.

    Raises:
        UserError: they are.
    """
    # Not from a loader: one made before the trainer is attached would put the images on the wrong device for good.
    size, needed = min(data.batch_size, len(data.splits["train"].images)), module.divergence.minimum_batch
    if module.objective.divergence_weight and size < needed:
        why = f"batches of {size} are too small for divergence {divergence_name(module.divergence)}"
        accepted = f"batches and a train_size of at least {needed}"
        raise UserError(why, key="data.batch_size", value=data.batch_size, accepted=accepted)


def check_limits(trainer: pl.Trainer, data: ImageData) -> None:
    """Refuse a share of a split's batches that comes to none.

    Raises:
        UserError: names the limit.
    """
    for split, limit in (("train", "train"), ("validation", "val"), ("test", "test")):
        share, size = getattr(trainer, f"limit_{limit}_batches"), len(data.splits[split].images)
        batches = -(-size // data.batch_size)
        if isinstance(share, float) and 0 < share < 1 and size and int(share * batches) == 0:
            raise UserError(
                f"less than one of {batches} batches", key=f"trainer.limit_{limit}_batches", value=share,
                accepted=f"null, whole numbers, and shares of at least {1 / batches:.2g}",
            )  # fmt: skip


def check_length(trainer: pl.Trainer) -> None:
    """Refuse a schedule over the length of a run that has none.

    Raises:
        UserError: neither epochs nor steps are limited.
    """
    schedules = [callback for callback in trainer.callbacks if isinstance(callback, LearningRate)]  # type: ignore[attr-defined]
    if trainer.max_epochs == trainer.max_steps == -1 and any(schedule.scheduler.needs_total for schedule in schedules):
        why = "it goes by the share of the run, which has no last epoch"
        raise UserError(why, key="scheduler", accepted="trainer.max_epochs=N, or scheduler=exponential or plateau")


def check_same_images(data: ImageData, checkpoint: Mapping[str, Any]) -> None:
    """Refuse to go on with other training images than those of a checkpoint, wherever they lie.

    Raises:
        ChangedError: the images or their labels differ. A checkpoint that doesn't know its images is accepted.
    """
    known = checkpoint.get(type(data).__qualname__, {}).get("fingerprint")
    if known is not None and known != data.fingerprint:
        raise ChangedError("the checkpoint was trained on other images", key="data", accepted="the same images")


def check_processes(trainer: pl.Trainer, data: ImageData) -> None:
    """Refuse several processes in a sweep, and a batch that they can't share evenly.

    Raises:
        UserError: either.
    """
    if trainer.world_size == 1:
        return
    if in_sweep():
        raise UserError(
            f"{trainer.world_size} processes can't share a multirun, since each would start the whole sweep anew",
            key="trainer.devices", accepted="trainer.devices=1 or one command for each run, without -m",
        )  # fmt: skip
    try:
        data.check_world_size(trainer.world_size)
    except ArgumentError as error:
        raise error.below("data") from error


def check_callbacks(trainer: pl.Trainer, module: InfoVAE, data: ImageData) -> None:
    """Refuse callbacks that would wait for a metric that is never measured, or that undo each other.

    Raises:
        UserError: names the callback and what it needs.
    """
    callbacks: list[pl.Callback] = getattr(trainer, "callbacks", [])
    measured = _prepare_metrics(callbacks, trainer, module, data)
    for callback in callbacks:
        _check_monitor(callback, trainer, data)
        _check_saving(callback, trainer)
        needed = getattr(callback, "needs", None)
        if needed and needed not in measured:
            raise UserError(
                f"{type(callback).__name__} goes by {needed}", key="metrics", value=f"[{','.join(measured)}]",
                accepted=f"lists with it, as metrics=[{','.join([*measured, needed])}]",
            )  # fmt: skip
        _check_name(callback, measured)
        dirpath = getattr(callback, "dirpath", None)
        if isinstance(callback, ModelCheckpoint) and dirpath is not None:
            check_writable(Path(dirpath), "callbacks.*.dirpath")
    averaging = averages(trainer)
    keeping = [callback for callback in callbacks if isinstance(callback, KeepsWeights)]
    if averaging and keeping:
        names = f"{type(averaging[0]).__name__} and {type(keeping[0]).__name__}"
        why = f"{names} would each decide with which weights the run ends"
        raise UserError(why, key="callbacks", accepted="one of them")


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
    key = getattr(callback, "monitor_key", "callbacks.*.monitor")
    instead = "train/loss" if isinstance(callback, LearningRate) else "null"
    if not monitor:
        return
    split = monitor.partition("/")[0]
    if split not in SPLITS:
        why, accepted = f"{name} would find no such metric", "columns of metrics.csv, as validation/loss"
        raise UserError(why, key=key, value=monitor, accepted=accepted)
    if split == "validation" and split not in data.evaluation_splits:
        accepted = f"sizes of at least 1, or a {key} of another split, as test/loss or {instead}"
        raise UserError(f"{name} watches {monitor}", key="data.validation_size", value=0, accepted=accepted)
    if split != "train" and trainer.limit_val_batches == 0:
        accepted = f"null, numbers above 0, or a {key} of {instead}"
        raise UserError(f"{name} watches {monitor}", key="trainer.limit_val_batches", value=0, accepted=accepted)
    if split == "train" and isinstance(callback, EarlyStopping) and not _looks_at_the_end(callback, trainer):
        why, accepted = f"{name} looks before that is known", "+callbacks.*.check_on_train_epoch_end=true"
        raise UserError(why, key=key, value=monitor, accepted=accepted)


def _check_saving(callback: pl.Callback, trainer: pl.Trainer) -> None:
    """Refuse Lightning's own ModelCheckpoint if it would look for a metric after epochs that have none."""
    if not isinstance(callback, ModelCheckpoint) or isinstance(callback, BestCheckpoint):
        return
    if callback.monitor and callback._save_on_train_epoch_end and (trainer.check_val_every_n_epoch or 1) > 1:
        raise UserError(
            "it looks for its monitor after epochs without a validation too", key="callbacks.*.save_on_train_epoch_end",
            value="true", accepted=f"null, or {BestCheckpoint.__module__}.BestCheckpoint as its _target_",
        )  # fmt: skip


def _check_name(callback: pl.Callback, measured: Sequence[str]) -> None:
    """Refuse a monitor that no measured metric can be the name of."""
    monitor = getattr(callback, "monitor", None)
    split, _, name = (monitor or "").partition("/")
    if not monitor or split == "train" or not NAMED_AFTER_THEMSELVES.issuperset(measured):
        return
    if name not in TERMS and not any(name.startswith(metric) for metric in measured):
        accepted = ", ".join(f"{split}/{name}" for name in (*TERMS, *measured))
        key = getattr(callback, "monitor_key", "callbacks.*.monitor")
        raise UserError("no such metric", key=key, value=monitor, accepted=accepted)


def _looks_at_the_end(callback: EarlyStopping, trainer: pl.Trainer) -> bool:
    """Return whether early stopping looks at an epoch's end, its default if each epoch is validated."""
    chosen: bool | None = callback._check_on_train_epoch_end
    by_itself = trainer.val_check_interval == 1.0 and trainer.check_val_every_n_epoch == 1
    return by_itself if chosen is None else chosen
