"""The metrics that callbacks and searches wait for, held against those that a run will measure."""

from collections.abc import Iterator, Sequence

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

from infovae.config.signatures import OURS
from infovae.data.module import DataModule
from infovae.errors import UserError
from infovae.metrics.meanings import MEANINGS
from infovae.metrics.objective_terms import TERM_NAMES
from infovae.module import InfoVAE
from infovae.sweeps.objectives import SEARCH
from infovae.training.assemble import build_callbacks, build_chosen, build_data, build_module
from infovae.training.callbacks.aggregate_posterior import AggregatePosterior
from infovae.training.callbacks.best_checkpoint import BestCheckpoint
from infovae.training.callbacks.learning_rate import LearningRate
from infovae.training.callbacks.trial_pruning import TrialPruning
from infovae.training.job import in_sweep

SPLITS = ("train", "validation", "test")


def check_monitors(trainer: pl.Trainer, module: InfoVAE, data: DataModule) -> None:
    """Refuse what would wait for a metric that is never measured or not measured yet, and metrics that can't be."""
    callbacks: list[pl.Callback] = getattr(trainer, "callbacks", [])
    measuring = [callback for callback in callbacks if isinstance(callback, AggregatePosterior)]
    for metrics in measuring:
        metrics.prepare(module, data, module.device)
    measured = [name for metrics in measuring for name in metrics.factories]
    for callback in callbacks:
        _check_moment(callback, trainer)
        needed = getattr(callback, "needs", None)
        if needed and needed not in measured:
            why, accepted = f"{type(callback).__name__} goes by {needed}", ",".join([*measured, needed])
            given = f"[{','.join(measured)}]"
            raise UserError(why, key="metrics", value=given, accepted=f"lists with it, as metrics=[{accepted}]")
    for column, watcher, key in _watched(callbacks):
        _check_split(column, watcher, key, trainer.limit_val_batches, data)
        _check_name(column, key, callbacks, module, data)


def check_objectives(cfg: DictConfig) -> None:
    """Refuse metrics of a search that a run of it won't measure, as far as this process can know without its trainer.

    Its data and model are built only for names that the config alone doesn't tell.
    """
    objectives = list(_objectives())
    if all(_is_told(column, cfg) for column, *_ in objectives):
        return
    try:
        data = build_data(cfg)
        module = build_module(cfg, data)
        metrics = AggregatePosterior(build_chosen(cfg, "metrics"))
        callbacks = [metrics, *build_callbacks(cfg)]
        metrics.prepare(module, data, module.device)
    except UserError:  # of this trial, or of this machine: each run says so itself
        return
    for column, watcher, key in _objectives(callbacks):
        _check_split(column, watcher, key, cfg.trainer.get("limit_val_batches"), data)
        _check_name(column, key, callbacks, module, data)


def _is_told(column: str, cfg: DictConfig) -> bool:
    """Return whether a metric is surely measured: a term of the objective, or named as the option that measures it.

    And that at the end of each epoch, as :class:`TrialPruning` needs it.
    """
    split, _, name = column.partition("/")
    chosen = (cfg.get("metrics") or {}).get(name) is not None and name in MEANINGS
    is_validated = cfg.trainer.get("limit_val_batches") != 0 and cfg.data.get("validation_size") != 0
    return is_validated and split in cfg.data.get("evaluation_splits", ()) and (name in TERM_NAMES or chosen)


def _watched(callbacks: Sequence[pl.Callback]) -> Iterator[tuple[str, str, str]]:
    """Yield columns of ``metrics.csv``, each with what waits for it and the key of the config that names it."""
    for callback in callbacks:
        if monitor := getattr(callback, "monitor", None):
            yield monitor, type(callback).__name__, getattr(callback, "monitor_key", "callbacks.*.monitor")
    if in_sweep():
        yield from _objectives(callbacks)


def _objectives(callbacks: Sequence[pl.Callback] = ()) -> Iterator[tuple[str, str, str]]:
    """Yield what the search at hand and the callbacks that stop its trials wait for; nothing outside a search."""
    for objective in HydraConfig.get().sweeper.get("objectives") or []:
        yield objective["metric"], "the search", SEARCH
    for callback in callbacks:
        if isinstance(callback, TrialPruning):
            yield from ((entry["metric"], "TrialPruning", "callbacks.*.objectives") for entry in callback.objectives)


def _check_split(column: str, watcher: str, key: str, limit: float | None, data: DataModule) -> None:
    why = f"{watcher} watches {column}"
    split, instead = column.partition("/")[0], "train/loss" if key == LearningRate.monitor_key else "null"
    if split not in SPLITS or (split, key) == ("train", SEARCH):
        why, accepted = f"{watcher} would find no such metric", "metrics of a split, as validation/loss"
        raise UserError(why, key=key, value=column, accepted=accepted)
    if split == "validation" and not len(data.splits[split].x):
        accepted = f"sizes of at least 1, or a {key} of another split, as {instead}"
        raise UserError(why, key="data.validation_size", value=0, accepted=accepted)
    if split != "train" and split not in data.evaluation_splits and (split, key) != ("test", SEARCH):
        measured = f"[{','.join(data.evaluation_splits)}]"
        raise UserError(why, key="data.evaluation_splits", value=measured, accepted="[validation,test]")
    if split != "train" and limit == 0:
        accepted = f"null, numbers above 0, or a {key} of {instead}"
        raise UserError(why, key="trainer.limit_val_batches", value=0, accepted=accepted)


def _check_name(column: str, key: str, callbacks: Sequence[pl.Callback], module: InfoVAE, data: DataModule) -> None:
    """Refuse a column that neither module nor callback logs, unless there are some of other people's."""
    split = column.partition("/")[0]
    logged = [name for part in (module, *callbacks) for name in getattr(part, "logs", ())]
    columns = {f"{split}/{name}" for name in TERM_NAMES}.union(name for name in logged if name.startswith(split))
    for part in (module, *callbacks):
        if column in columns or type(part).__module__.partition(".")[0] not in OURS:
            return
        if isinstance(part, AggregatePosterior):
            columns |= part.columns(module, data, split)
    if column not in columns:
        accepted = ", ".join(sorted(columns))
        raise UserError("no such metric", key=key, value=column, accepted=accepted)


def _check_moment(callback: pl.Callback, trainer: pl.Trainer) -> None:
    """Refuse Lightning's own callbacks if they would look for a metric before it is known, or when there is none."""
    monitor, name = str(getattr(callback, "monitor", None) or ""), type(callback).__name__
    if isinstance(callback, EarlyStopping) and monitor.startswith("train/") and _looks_early(callback, trainer):
        why, accepted = f"{name} looks before that is known", "+callbacks.*.check_on_train_epoch_end=true"
        raise UserError(why, key="callbacks.*.monitor", value=monitor, accepted=accepted)
    if not isinstance(callback, ModelCheckpoint) or isinstance(callback, BestCheckpoint):
        return
    if monitor and callback._save_on_train_epoch_end and (trainer.check_val_every_n_epoch or 1) > 1:
        why = "it looks for its monitor after epochs without a validation too"
        accepted = f"null, or {BestCheckpoint.__module__}.BestCheckpoint as its _target_"
        raise UserError(why, key="callbacks.*.save_on_train_epoch_end", value="true", accepted=accepted)


def _looks_early(callback: EarlyStopping, trainer: pl.Trainer) -> bool:
    """Return whether early stopping looks before an epoch's end, its default unless each epoch is validated."""
    at_the_end: bool | None = callback._check_on_train_epoch_end
    by_itself = trainer.val_check_interval == 1.0 and trainer.check_val_every_n_epoch == 1
    return not (by_itself if at_the_end is None else at_the_end)
