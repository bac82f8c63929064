"""One run, from a config to a run folder."""

import logging
import statistics
import warnings
from contextlib import nullcontext
from pathlib import Path
from time import perf_counter
from typing import Any

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from rich.table import Table

from infovae.config.check import check
from infovae.data.module import ImageData
from infovae.errors import INTERRUPTED, TERMINATED, UserError
from infovae.module import InfoVAE
from infovae.parallel import is_first_process
from infovae.runs.checkpoints import load_weights, newest_sound, read_checkpoint
from infovae.runs.disk import check_space, told_in_one_line
from infovae.runs.final_row import final_position
from infovae.runs.folder import begin, write_config, write_record
from infovae.runs.lock import claimed
from infovae.terminal.tables import print_table
from infovae.training.assemble import build_data, build_loggers, build_module, build_trainer, goes_on
from infovae.training.callbacks.aggregate_posterior import AggregatePosterior
from infovae.training.callbacks.kept_computation import Computation
from infovae.training.callbacks.kept_weights import kept_epoch
from infovae.training.callbacks.metrics_file import MetricsFile
from infovae.training.devices import keep_freed_memory, remember_missing_gpu
from infovae.training.loggers import wandb
from infovae.training.precision import choose, is_auto, settle
from infovae.training.preemption import Notice, requeue, termination_notice

log = logging.getLogger(__name__)

NO_NEWS = (
    "Tip: For seamless cloud",
    "GPU available: False",
    "TPU available: False",
    "`Trainer.fit` stopped: `max_epochs",
    "No CUDA runtime is found",
)
"""What Lightning logs that tells a user nothing, and torch where it compiles without a GPU."""


def train(cfg: DictConfig) -> dict[str, float]:
    """Train, test and record one run.

    Data-parallel training runs the same command once more for each further process. Those train and test; the first
    alone writes to the run folder, to loggers and to the terminal.

    Returns:
        The final validation and test metrics by name; losses in nats per example.

    Raises:
        UserError: the config or a file it names is refused, or another process writes to the same folder, and nothing
            was trained or written; or training met a number that isn't finite, or a full disk. The last checkpoint is
            whole.
        SystemExit: the run was interrupted; what was logged is kept.
    """
    quieten()
    remember_missing_gpu()
    keep_freed_memory()
    claim = claimed(Path(cfg.run_dir), "hydra.run.dir") if is_first_process() else nullcontext()
    with termination_notice() as notice, claim:
        return _train(cfg, notice)


def _train(cfg: DictConfig, notice: Notice) -> dict[str, float]:
    run_dir = Path(cfg.run_dir)
    start = perf_counter()
    status, error, metrics = "failed", None, {}
    trainer: pl.Trainer | None = None
    is_first, has_begun = is_first_process(), False
    try:
        check(settle(cfg, Computation("32-true", False)))  # Lightning doesn't know auto
        _name_multirun_job(cfg)
        _go_on(cfg)
        if is_first and _is_sweep():  # which goes on by what its jobs leave, also those that are refused
            begin(cfg, run_dir)
            has_begun = True
        pl.seed_everything(cfg.seed, workers=True, verbose=False)
        data = build_data(cfg)
        module = build_module(cfg, data)
        checkpoint = None
        if cfg.ckpt_path is not None:
            checkpoint = _checkpoint_to_start_from(Path(cfg.ckpt_path), module)
        if is_auto(cfg):
            cfg = settle(cfg, choose(cfg, data, checkpoint))
            if has_begun:
                write_config(cfg, run_dir)
        if cfg.compile:
            log.info("compile=true: the first step waits for the compiler, seconds or, with many layers, a minute")
            module.compile_training()
        _tell(module)
        trainer = build_trainer(cfg)
        if is_first:
            check_space(run_dir, module, _place(run_dir))
        check_clipping(cfg, trainer)
        _check_batch(module, data)
        _check_monitors(trainer, data)
        _check_processes(trainer.world_size, data)
        _check_metrics(trainer, module, data)
        trainer.loggers = build_loggers(cfg)
        if is_first and not has_begun:
            begin(cfg, run_dir)
            has_begun = True
        for logger in trainer.loggers:
            logger.log_hyperparams(_flat(cfg))
        trainer.fit(module, datamodule=data, ckpt_path=cfg.ckpt_path, weights_only=True)
        trainer.test(module, datamodule=data, verbose=False)
        metrics = _final_metrics(trainer)
        status = "finished"
    except (KeyboardInterrupt, SystemExit) as interruption:
        status = "interrupted"
        raise SystemExit(TERMINATED if notice.received else INTERRUPTED) from interruption
    except Exception as problem:
        told = told_in_one_line(problem, run_dir, _place(run_dir))
        error = f"{type(told).__name__}: {told}"
        if told is problem:
            raise
        raise told from problem
    finally:
        summary = {
            "status": status,
            "error": error,
            "name": cfg.name,
            "wall_seconds": perf_counter() - start,
            "images_per_second": _images_per_second(trainer),
            "epoch": _final_row(trainer).get("epoch"),
            "metrics": metrics,
        }
        if has_begun or (is_first and _is_sweep()):
            _record(summary, run_dir)
            wandb.finish(exit_code=0 if status == "finished" else 1)
            if trainer is not None:
                _report(summary, run_dir)
        if is_first and notice.received and goes_on(cfg):
            requeue()
    return metrics


def quieten() -> None:
    """Silence notices that a user can do nothing about, each by its own text."""
    warnings.filterwarnings("ignore", message=r"The number of training batches .* is smaller than the logging interval")
    warnings.filterwarnings("ignore", message=r"Checkpoint directory .* exists and is not empty")  # so it is on resume
    # What is logged at an epoch's end has been brought together before, and is the same on all processes.
    warnings.filterwarnings("ignore", message=r"It is recommended to use `self.log\(.*sync_dist=True")
    for name in ("pytorch_lightning.utilities.rank_zero", "torch.utils.cpp_extension"):
        logging.getLogger(name).addFilter(_is_news)
    logging.raiseExceptions = False  # on a full disk, each line for a log file would be answered by a traceback
    if not is_first_process():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)


def _is_news(record: logging.LogRecord) -> bool:
    return not any(text in record.getMessage() for text in NO_NEWS)


def _is_sweep() -> bool:
    return HydraConfig.get().mode == RunMode.MULTIRUN


def _place(run_dir: Path) -> str:
    """By which key this folder was chosen, with its value."""
    return f"hydra.sweep.dir={HydraConfig.get().sweep.dir}" if _is_sweep() else f"hydra.run.dir={run_dir}"


def _name_multirun_job(cfg: DictConfig) -> None:
    """Jobs of a multirun are grouped by their sweep and named by their overrides."""
    hydra = HydraConfig.get()
    if _is_sweep():
        cfg.name = hydra.job.override_dirname or cfg.name
        cfg.group = cfg.group or Path(hydra.sweep.dir).name


def _go_on(cfg: DictConfig) -> None:
    """Start from the newest sound checkpoint in the run's own folder, whichever it was to start from at first."""
    checkpoint = newest_sound(Path(cfg.run_dir) / "checkpoints") if goes_on(cfg) else None
    if checkpoint is not None:
        log.info("goes on from %s", checkpoint)
        cfg.ckpt_path = str(checkpoint)


def _checkpoint_to_start_from(path: Path, module: InfoVAE) -> dict[str, Any]:
    """Its content; the module has its weights then."""
    checkpoint = read_checkpoint(path, f"ckpt_path={path}")
    load_weights(module, checkpoint["state_dict"], path)
    missing = [name for name in ("epoch", "global_step", "loops", "optimizer_states") if name not in checkpoint]
    if missing:
        raise UserError(
            f"ckpt_path={path}: holds weights, but lacks {', '.join(missing)}, with which training goes on; accepted "
            "is a checkpoint, as RUN/checkpoints/last.ckpt"
        )
    return checkpoint


def _record(summary: dict[str, Any], run_dir: Path) -> None:
    try:
        write_record(run_dir / "summary.json", summary)
    except OSError as problem:  # the same full disk that ended the run, whose own error is to be heard
        log.error("summary.json couldn't be written: %s", problem)


def _check_processes(count: int, data: ImageData) -> None:
    """Refuse what can't be trained by so many processes."""
    if count == 1:
        return
    if _is_sweep():
        raise UserError(
            f"trainer.devices: {count} processes can't share a multirun, since each would start the whole sweep anew; "
            "accepted: trainer.devices=1 or one command for each run, without -m"
        )
    try:
        data.check_world_size(count)
    except ValueError as error:
        raise UserError(f"data.{error}") from error


def _check_batch(module: InfoVAE, data: ImageData) -> None:
    # Not from a loader: one made before the trainer is attached would put the images on the wrong device for good.
    size, needed = min(data.batch_size, len(data.splits["train"].images)), module.divergence.minimum_batch
    if module.objective.divergence_weight and size < needed:
        raise UserError(
            f"data.batch_size={data.batch_size}: batches of {size} are too small for divergence "
            f"{type(module.divergence).__name__}; accepted: batches and a train_size of at least {needed}"
        )


def _check_monitors(trainer: pl.Trainer, data: ImageData) -> None:
    for callback in getattr(trainer, "callbacks", []):
        monitor = getattr(callback, "monitor", None)
        if monitor and monitor.partition("/")[0] not in ("train", "validation", "test"):
            raise UserError(
                f"callbacks.*.monitor={monitor}: {type(callback).__name__} would find no such metric; accepted: "
                "columns of metrics.csv, as validation/loss"
            )
        if monitor and monitor.startswith("validation/") and "validation" not in data.evaluation_splits:
            raise UserError(
                f"data.validation_size=0: {type(callback).__name__} watches {monitor}; accepted: sizes of at least "
                "1, or a callbacks.*.monitor of another split, as test/loss or null"
            )
        if monitor and monitor.startswith("validation/") and trainer.limit_val_batches == 0:
            raise UserError(
                f"trainer.limit_val_batches=0: {type(callback).__name__} watches {monitor}; accepted: null, numbers "
                "above 0, or a callbacks.*.monitor of null"
            )


def _check_metrics(trainer: pl.Trainer, module: InfoVAE, data: ImageData) -> None:
    measured: list[str] = []
    for callback in getattr(trainer, "callbacks", []):
        if isinstance(callback, AggregatePosterior):
            callback.prepare(module, data, trainer.strategy.root_device)
            measured = list(callback.factories)
    for callback in getattr(trainer, "callbacks", []):
        needed = getattr(callback, "needs", None)
        if needed and needed not in measured:
            raise UserError(
                f"metrics=[{','.join(measured)}]: {type(callback).__name__} goes by {needed}; accepted: lists with "
                f"it, as metrics=[{','.join([*measured, needed])}]"
            )


def check_clipping(cfg: DictConfig, trainer: pl.Trainer) -> None:
    """Lightning finds this out at the first step, in words that name none of the keys.

    Raises:
        UserError: a fused optimiser under mixed precision, whose gradients can't be clipped.
    """
    if trainer.gradient_clip_val and "mixed" in trainer.precision and cfg.optimizer.get("fused"):
        raise UserError(
            f"optimizer.fused=true: can't go with trainer.precision={cfg.trainer.precision} and "
            f"trainer.gradient_clip_val={cfg.trainer.gradient_clip_val} together; accepted: optimizer.fused=false"
        )


def _tell(module: InfoVAE) -> None:
    objective = module.objective
    divergence = type(module.divergence).__name__
    if objective.divergence_weight == 0:
        log.info("the divergence (%s) has weight alpha + lambda_ - 1 = 0: measured, not optimised", divergence)
    log.info(
        "loss = reconstruction + %g * rate + %g * %s", objective.rate_weight, objective.divergence_weight, divergence
    )


def _flat(cfg: DictConfig) -> dict[str, Any]:
    """The chosen options by group and plain values by key, so that trackers can group by any of them.

    Keys are joined by slashes: W&B reads a dot in a name as a level of nesting, and then finds nothing.
    """
    flat = {group: option for group, option in HydraConfig.get().runtime.choices.items() if "hydra" not in group}

    def visit(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for name, entry in value.items():
                visit(f"{prefix}/{name}" if prefix else str(name), entry)
        else:
            flat[prefix] = value

    visit("", OmegaConf.to_container(cfg, resolve=True))
    return flat


def _final_metrics(trainer: pl.Trainer) -> dict[str, float]:
    """The final weights' on the validation set, for choosing among runs; those of the test just done."""
    final_row = _final_row(trainer)
    validation = {name: value for name, value in final_row.items() if name.startswith("validation/")}
    return dict(sorted(validation.items())) | {
        name: float(value) for name, value in sorted(trainer.callback_metrics.items())
    }


def _final_row(trainer: pl.Trainer | None) -> dict[str, float]:
    """What was measured of the weights that a run ends with."""
    rows = _rows(trainer)
    return rows[final_position([row["epoch"] for row in rows], kept_epoch(trainer))] if rows else {}


def _images_per_second(trainer: pl.Trainer | None) -> float | None:
    """The median over epochs."""
    speeds = [row["train/images_per_second"] for row in _rows(trainer) if "train/images_per_second" in row]
    return statistics.median(speeds) if speeds else None


def _rows(trainer: pl.Trainer | None) -> list[dict[str, float]]:
    files = [callback for callback in getattr(trainer, "callbacks", []) if isinstance(callback, MetricsFile)]
    return [row for file in files for row in file.rows]


def _report(summary: dict[str, Any], run_dir: Path) -> None:
    if summary["metrics"]:
        table = Table("metric (losses in nats per example)", "test")
        for name, value in summary["metrics"].items():
            if name.startswith("test/"):
                table.add_row(name.removeprefix("test/"), f"{value:.4g}")
        print_table(summary["name"], table)
    print(f"{summary['status']} after {summary['wall_seconds']:.0f} s")
    # Printed plainly: a path must survive copying, whatever the terminal's width.
    print(f"run folder: {run_dir}")
    for picture in sorted((run_dir / "figures").glob("*[!0-9].png")):
        print(f"picture:    {picture}")
