"""What can be known to be wrong with a run before anything is written or trained: each check names the key."""

import logging
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig
from pytorch_lightning.callbacks import (
    Checkpoint,
    DeviceStatsMonitor,
    LearningRateMonitor,
    ModelCheckpoint,
    ThroughputMonitor,
)

from infovae.data.module import DataModule
from infovae.errors import UserError, below, reason_of
from infovae.module import InfoVAE
from infovae.runs.changes import ChangedError
from infovae.runs.folder import check_writable
from infovae.training.callbacks.drawing import Drawing
from infovae.training.callbacks.kept_weights import KEPT, keeping
from infovae.training.callbacks.learning_rate import LearningRate
from infovae.training.callbacks.measured_weights import AVERAGED, averages
from infovae.training.job import divergence_name, in_sweep
from infovae.training.monitors import check_monitors

log = logging.getLogger(__name__)

TO_LOGGERS = (DeviceStatsMonitor, LearningRateMonitor, ThroughputMonitor)
"""Callbacks that write to loggers alone."""


def check_all(
    cfg: DictConfig,
    module: InfoVAE,
    trainer: pl.Trainer,
    data: DataModule,
    checkpoint: Mapping[str, Any] | None,
    is_over: bool,
) -> None:
    """Refuse parts of a run that don't go together, or can't do what is asked of them.

    Args:
        checkpoint: what the run goes on from.
        is_over: whether no epoch is left to train.
    """
    check_clipping(cfg, trainer)
    _check_loggers(cfg, trainer)
    _check_settings(cfg)
    _check_batch(module, data)
    _check_schedules(module, trainer, data)
    _check_limits(trainer, data)
    _check_processes(trainer, data)
    with below("module"):
        module.check_run(data, trainer.world_size)
    _check_callbacks(trainer)
    if checkpoint is not None and is_over:
        _check_final_weights(trainer, checkpoint)
    check_monitors(trainer, module, data)
    _check_optimizer(cfg, module, trainer.strategy.root_device, checkpoint)


def checkpoint_files(trainer: pl.Trainer) -> int:
    """Return how many checkpoints lie on the disk at once: those kept, ``previous.ckpt`` and the one being written."""
    kept = [callback.save_top_k for callback in trainer.callbacks if isinstance(callback, ModelCheckpoint)]  # type: ignore[attr-defined]
    return 2 + sum(k + 1 if k > 1 else 1 for k in kept)  # with several, the best has a copy


def check_clipping(cfg: DictConfig, trainer: pl.Trainer) -> None:
    """Refuse to clip gradients of a fused optimiser under mixed precision.

    Lightning refuses it too, at the first step and without naming a key.
    """
    if trainer.gradient_clip_val and "mixed" in trainer.precision and cfg.optimizer.get("fused"):
        clipping = f"trainer.gradient_clip_val={cfg.trainer.gradient_clip_val}"
        why = f"can't go with trainer.precision={cfg.trainer.precision} and {clipping} together"
        raise UserError(why, key="optimizer.fused", value="true", accepted="optimizer.fused=false")


def _check_loggers(cfg: DictConfig, trainer: pl.Trainer) -> None:
    """Refuse loggers that can't write to their folder, and callbacks without a logger to write to."""
    nodes = {name: node for name, node in (cfg.get("logger") or {}).items() if node is not None}
    for name, node in nodes.items():
        if node.get("save_dir"):
            check_writable(Path(node.save_dir), f"logger.{name}.save_dir")
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, TO_LOGGERS) and not nodes:
            why = f"{type(callback).__name__} writes to loggers"
            raise UserError(why, key="logger", value="none", accepted="logger=csv, tensorboard, wandb or wandb_offline")


def _check_settings(cfg: DictConfig) -> None:
    """Refuse parts without their run, data without a training split, and a least length above the greatest."""
    if (cfg.data.get("source") or {}).get("test_fraction") == 1:
        accepted = "fractions that leave at least one on each side"
        raise UserError("it leaves none to train on", key="data.source.test_fraction", value=1, accepted=accepted)
    if cfg.init_parts is not None and cfg.init_from is None:
        shown = f"[{','.join(cfg.init_parts)}]"
        raise UserError("no run to take them from", key="init_parts", value=shown, accepted="init_from=RUN beside it")
    for unit in ("epochs", "steps"):  # Lightning would pass over the least
        least, most = (cfg.trainer.get(f"{bound}_{unit}") for bound in ("min", "max"))
        if least is not None and most is not None and least > most > 0:
            why = f"trainer.max_{unit}={most} ends training before"
            raise UserError(why, key=f"trainer.min_{unit}", value=least, accepted=f"null, and numbers up to {most}")


def _check_batch(module: InfoVAE, data: DataModule) -> None:
    """Refuse batches too small for the posterior, or for the divergence if it is part of the loss."""
    # Not from a loader: one made before the trainer is attached would put the images on the wrong device for good.
    size = min(data.batch_size, len(data.splits["train"].x))
    needs = [(module.posterior.minimum_batch, f"a {module.posterior.family} posterior")]
    if module.objective.weighs_divergence:
        needs.append((module.divergence.minimum_batch, f"divergence {divergence_name(module.divergence)}"))
    needed, whom = max(needs)
    if size < needed:
        why = f"batches of {size} are too small for {whom}"
        accepted = f"batches and a train_size of at least {needed}"
        raise UserError(why, key="data.batch_size", value=data.batch_size, accepted=accepted)


def tell_short_epochs(data: DataModule) -> None:
    """Warn if an epoch has one step: whatever counts epochs, such as ``trainer.max_epochs``, then counts steps."""
    size = len(data.splits["train"].x)
    if data.steps_per_epoch is None and size < 2 * data.batch_size:
        log.warning(
            "an epoch is one step: %d training images, and data.batch_size=%d; a smaller data.batch_size makes more, "
            "and data.steps_per_epoch=100 makes it 100 steps", size, data.batch_size,
        )  # fmt: skip


def _check_schedules(module: InfoVAE, trainer: pl.Trainer, data: DataModule) -> None:
    """Refuse schedules that outlast the run, and a schedule over the length of a run that has none.

    The weights of a run that a schedule outlasts would never be those by which it is validated.
    """
    steps = _steps(trainer, data)
    for name, weight in module.objective.moving.items():
        if weight.length > steps:
            why = f"it ends after {weight.length} steps, and the run after {steps:g}"
            accepted = f"at most {steps:g} steps, or a larger trainer.max_epochs"
            raise UserError(why, key=f"model.{name}", value=type(weight).__name__, accepted=accepted)
    rates = [callback for callback in trainer.callbacks if isinstance(callback, LearningRate)]  # type: ignore[attr-defined]
    if trainer.max_epochs == trainer.max_steps == -1 and any(rate.scheduler.needs_total for rate in rates):
        why = "it goes by the share of the run, which has no last epoch"
        raise UserError(why, key="scheduler", accepted="trainer.max_epochs=N, or scheduler=exponential or plateau")


def _steps(trainer: pl.Trainer, data: DataModule) -> float:
    """Return how many steps the optimiser takes at most; infinity if only time limits them."""
    if trainer.fast_dev_run:  # type: ignore[attr-defined]
        return math.inf
    limit, batches = trainer.limit_train_batches, data.batches_per_epoch()
    batches = int(limit * batches) if isinstance(limit, float) else min(limit, batches)
    epochs = math.inf if trainer.max_epochs in (None, -1) else trainer.max_epochs
    most = math.inf if trainer.max_steps == -1 else trainer.max_steps
    return min(most, epochs * -(-batches // trainer.accumulate_grad_batches))


def _check_limits(trainer: pl.Trainer, data: DataModule) -> None:
    """Refuse a share of a split's batches that comes to none."""
    for split, limit in (("train", "train"), ("validation", "val"), ("test", "test")):
        share, size = getattr(trainer, f"limit_{limit}_batches"), len(data.splits[split].x)
        batches = data.batches_per_epoch() if split == "train" else -(-size // data.batch_size)
        if isinstance(share, float) and 0 < share < 1 and size and int(share * batches) == 0:
            why = f"less than one of {batches} batches"
            accepted = f"null, whole numbers, and shares of at least {math.ceil(1000 / batches) / 1000:g}"
            raise UserError(why, key=f"trainer.limit_{limit}_batches", value=share, accepted=accepted)


def check_same_images(data: DataModule, checkpoint: Mapping[str, Any]) -> None:
    """Refuse to go on with other training images or labels than those that a checkpoint knows, wherever they lie."""
    known = checkpoint.get(type(data).__qualname__, {}).get("fingerprint")
    if known is not None and known != data.fingerprint:
        raise ChangedError("the checkpoint was trained on other images", key="data", accepted="the same images")


def _check_processes(trainer: pl.Trainer, data: DataModule) -> None:
    """Refuse several processes in a sweep, and a batch that they can't share evenly."""
    if trainer.world_size == 1:
        return
    if in_sweep():
        why = f"{trainer.world_size} processes can't share a multirun, since each would start the whole sweep anew"
        accepted = "trainer.devices=1 or one command for each run, without -m"
        raise UserError(why, key="trainer.devices", accepted=accepted)
    with below("data"):
        data.check_world_size(trainer.world_size)


def _check_callbacks(trainer: pl.Trainer) -> None:
    """Refuse callbacks that can't write to their folder, or that undo each other."""
    callbacks: list[pl.Callback] = getattr(trainer, "callbacks", [])
    for callback in callbacks:
        dirpath = getattr(callback, "dirpath", None)
        if isinstance(callback, Checkpoint) and dirpath is not None:
            check_writable(Path(dirpath), "callbacks.*.dirpath")
        if isinstance(callback, Drawing):
            check_writable(callback.folder, "callbacks.drawing.folder")
    files = [callback for callback in callbacks if isinstance(callback, ModelCheckpoint) and callback.filename]
    places = [(file.dirpath, file.filename) for file in files]
    if shared := [name for place, name in places if places.count((place, name)) > 1]:
        why = "two callbacks would write each other's checkpoints"
        raise UserError(why, key="callbacks.*.filename", value=shared[0], accepted="a name for each")
    deciding = [type(callback).__name__ for callback in (*averages(trainer), *keeping(trainer))]
    if len(deciding) > 1:
        why = f"{' and '.join(deciding)} would each decide with which weights the run ends"
        raise UserError(why, key="callbacks", accepted="one of them")


def _check_final_weights(trainer: pl.Trainer, checkpoint: Mapping[str, Any]) -> None:
    """Refuse to add or drop what decides the final weights of a run that has them already."""
    averaging = averages(trainer)
    if averaging and AVERAGED not in checkpoint:
        why = f"{type(averaging[0]).__name__} would change nothing"
    elif (AVERAGED in checkpoint and not averaging) or (KEPT in checkpoint and not keeping(trainer)):
        why = "the run ended with other weights than those of its last step"
    else:
        return
    accepted = "the callbacks that it was trained with, or a larger trainer.max_epochs"
    raise ChangedError(f"no epoch is left to train, and {why}", key="callbacks", accepted=accepted)


def _check_optimizer(
    cfg: DictConfig, module: InfoVAE, device: torch.device, checkpoint: Mapping[str, Any] | None
) -> None:
    """Refuse an optimiser that can't step, groups of parameters that the model lacks, and another's checkpoint."""
    tried = torch.nn.Parameter(torch.zeros(1, device=device))
    tried.grad = torch.zeros_like(tried)
    key = "optimizer"
    try:
        optimizer = module.make_optimizer([tried])  # held: a schedule's wrapper of step() knows it by a weak reference
        optimizer.step(lambda: 0.0)
        key = "parameter_groups" if module.parameter_groups else key
        with below(key):
            own = module.make_optimizer().state_dict()["param_groups"]
    except UserError:
        raise
    except Exception as error:  # whatever an optimiser of torch's or the user's raises
        raise UserError(reason_of(error), key=key) from error
    if callable(getattr(optimizer, "eval", None)):  # as those that need no schedule do
        why = "it would train other weights than those it is measured by"
        accepted = "another optimiser, as optimizer=adamw with callbacks=[default,ema]"
        raise UserError(why, key="optimizer", value=type(optimizer).__name__, accepted=accepted)
    if cfg.get("scheduler") and _brings_schedule(module.configure_optimizers()):
        why = "the model's own optimiser brings a schedule"
        raise UserError(why, key="scheduler", value=cfg.scheduler._target_, accepted="scheduler=none")
    if checkpoint is None:
        return
    groups = [group for state in checkpoint["optimizer_states"] for group in state["param_groups"]]
    if len(groups) != len(own) or not all(map(_fits, groups, own)):
        why = f"it has {_settings(own)}, and that of the checkpoint {_settings(groups)}"
        raise UserError(why, key="optimizer", accepted="the optimiser that the checkpoint was trained with")


def _brings_schedule(made: Any) -> bool:
    """Return whether what Lightning's ``configure_optimizers`` returns, in any of its forms, holds a schedule."""
    if isinstance(made, dict):
        return not made.keys().isdisjoint(("lr_scheduler", "scheduler"))
    if isinstance(made, list | tuple):
        return any(map(_brings_schedule, made))
    return not isinstance(made, torch.optim.Optimizer)


def _fits(group: dict[str, Any], own: dict[str, Any]) -> bool:
    """Return whether one has the settings of the other; a later version of torch may have added some."""
    settings = set(group) - {"initial_lr"}, set(own) - {"initial_lr"}  # initial_lr is a schedule's
    return len(group["params"]) == len(own["params"]) and set.intersection(*settings) in settings


def _settings(groups: Iterable[dict[str, Any]]) -> str:
    return ", ".join(sorted({name for group in groups for name in group if name != "params"})) or "none"
