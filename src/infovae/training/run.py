"""Train one run: prepare, build, check, fit, record."""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
from omegaconf import DictConfig, OmegaConf

from infovae.config.check import check
from infovae.data.module import DataModule
from infovae.errors import UserError
from infovae.module import InfoVAE
from infovae.parallel import is_first_process
from infovae.runs.changes import (
    Change,
    changes,
    config_of,
    limits_reached,
    refuse_changes,
    refuse_without_training,
    stays_stopped,
)
from infovae.runs.checkpoints import (
    LAST,
    PREVIOUS,
    ends_epoch,
    is_resumable,
    load_weights,
    read_checkpoint,
    read_resumable,
)
from infovae.runs.disk import check_space
from infovae.runs.files import refuse_unfit
from infovae.runs.folder import write_record
from infovae.runs.lock import claimed
from infovae.schedules.label import weight_label
from infovae.terminal.lines import name_lines
from infovae.training.assemble import (
    build_data,
    build_loggers,
    build_module,
    build_trainer,
    goes_on,
    newest_checkpoint,
)
from infovae.training.callbacks.measured_weights import averages
from infovae.training.checks import check_all, check_same_images, checkpoint_files, tell_short_epochs
from infovae.training.devices import keep_freed_memory, remember_missing_gpu
from infovae.training.job import divergence_name, hyperparameters, in_sweep, name_job, place_of
from infovae.training.precision import check_computation, choose, chosen_before, is_auto, settle
from infovae.training.preemption import requeue, termination_notice
from infovae.training.quiet import quieten
from infovae.training.record import Record, final_row, recorded
from infovae.training.transfer import Origin, start_from

log = logging.getLogger(__name__)


class Start(NamedTuple):
    """A checked config, the checkpoint that it goes on from, and what differs from the config of that.

    ``stopped`` says that the run ended early and stays so, and ``is_over`` that no epoch is left to train.
    """

    cfg: DictConfig
    checkpoint: dict[str, Any] | None = None
    changes: Sequence[Change] = ()
    stopped: bool = False
    is_over: bool = False


class Run(NamedTuple):
    """The parts of a run, ready to train; the trainer has no loggers yet, and only transferred weights an origin."""

    cfg: DictConfig
    data: DataModule
    module: InfoVAE
    trainer: pl.Trainer
    origin: Origin | None


def train(cfg: DictConfig) -> dict[str, float]:
    """Train, test and record one run; return its final validation and test metrics, losses in nats per example.

    Data-parallel training runs the same command once more for each further process. Those train and test; the first
    alone writes to the run folder, to loggers and to the terminal.

    Raises:
        UserError: the config or a file it names is refused, or another process writes to the same folder, and nothing
            was trained or written. Or training met a number that isn't finite, or a full disk, and the last checkpoint
            is whole.
        SystemExit: the run was interrupted; what was logged is kept.
    """
    quieten()
    if in_sweep():
        name_lines(f"job {Path(cfg.run_dir).name}")
    remember_missing_gpu()
    keep_freed_memory()
    with termination_notice() as notice:
        try:
            with _own_folder(Path(cfg.run_dir)), recorded(cfg, notice) as record:
                start = prepare(cfg)
                if in_sweep():  # its record lists the jobs that are refused below too
                    record.begin(start.cfg)
                run = build_run(start)
                check_run(run, start)
                fit(run, record)
                record.metrics = test(run)
        finally:
            if is_first_process() and notice.received and goes_on(cfg):
                requeue()
    return record.metrics


def _own_folder(run_dir: Path) -> AbstractContextManager[None]:
    """Let no other process write to the run folder, which holds nothing in the way of the run's files."""
    if not is_first_process():
        return nullcontext()
    refuse_unfit(run_dir)
    return claimed(run_dir, "hydra.run.dir")


def prepare(cfg: DictConfig) -> Start:
    """Check the config, and find and read the checkpoint that the run goes on from."""
    check(cfg)
    name_job(cfg)
    newest = newest_checkpoint(cfg, partial(_has_ended, cfg)) if goes_on(cfg) else None
    if newest is not None:  # whichever checkpoint the run was to start from at first
        log.info("resuming from %s", newest)
        cfg.ckpt_path = str(newest)
    if cfg.ckpt_path is None:
        _refuse_to_replace(cfg)
        return Start(cfg)
    path = Path(cfg.ckpt_path)
    checkpoint = read_resumable(path, f"ckpt_path={path}")
    before = config_of(checkpoint, path)
    cfg, found = _settled(cfg, before, path, has_schedule=bool(checkpoint.get("lr_schedulers")))
    stopped = goes_on(cfg) and stays_stopped(checkpoint, found)  # a new run may start from a stopped one
    reached = limits_reached(checkpoint, cfg.trainer)
    if before is not None:
        refuse_without_training(found, reached, stopped)
    if not (stopped or ends_epoch(checkpoint) or _has_all_steps(cfg, checkpoint)):
        _refuse_to_complete(path)
    return Start(cfg, checkpoint, found, stopped, stopped or bool(reached))


def _settled(
    cfg: DictConfig, before: dict[str, Any] | None, path: Path, has_schedule: bool = False
) -> tuple[DictConfig, list[Change]]:
    """Return the config with what the run of a checkpoint chose, and its changes; refuse those that can't be."""
    if before is None:
        return cfg, []
    cfg = settle(cfg, chosen_before(before))
    found = changes(before, OmegaConf.to_container(cfg, resolve=True))  # type: ignore[arg-type]
    refuse_changes(found, path, has_schedule)
    return cfg, found


def _has_ended(cfg: DictConfig, path: Path, checkpoint: dict[str, Any]) -> bool:
    """Return whether a run's last checkpoint, perhaps of the middle of an epoch, is where this config ends it too."""
    if _has_all_steps(cfg, checkpoint):
        return True
    before: Any = config_of(checkpoint, path)
    now: Any = OmegaConf.to_container(cfg, resolve=True)
    return before is not None and stays_stopped(checkpoint, changes(before, now))


def _has_all_steps(cfg: DictConfig, checkpoint: dict[str, Any]) -> bool:
    return any(limit.key == "trainer.max_steps" for limit in limits_reached(checkpoint, cfg.trainer))


def _refuse_to_complete(path: Path) -> None:
    earlier = path.with_name(PREVIOUS)
    accepted = "a checkpoint of an epoch's end"
    if path.name == LAST and earlier.is_file():
        accepted += f", as {earlier}"
    raise UserError("its last epoch was cut, and can't be completed", key="ckpt_path", value=path, accepted=accepted)


def _refuse_to_replace(cfg: DictConfig) -> None:
    """Refuse a folder with a trained model; one that was cut in its first epoch may be trained anew."""
    last = Path(cfg.run_dir) / "checkpoints" / LAST
    if not last.exists() or not is_first_process():
        return
    why, accepted = "a trained model is there", "another folder, or resume=auto to go on with it"
    if goes_on(cfg):
        checkpoint = read_checkpoint(last, str(last))
        if is_resumable(checkpoint):
            _settled(cfg, config_of(checkpoint, last), last)
            log.warning("%s is of a first epoch that was cut, and can't be completed: the run starts anew", last)
            return
        why, accepted = f"{why}, but nothing to go on from: its weights alone", "another folder"
    raise UserError(why, key="hydra.run.dir", value=cfg.run_dir, accepted=accepted)


def build_run(start: Start) -> Run:
    """Build data, model and trainer, and choose how to compute."""
    cfg = start.cfg
    pl.seed_everything(cfg.seed, workers=True, verbose=False)
    data = build_data(cfg)
    module, origin = build_module(cfg, data), None
    if start.checkpoint is not None:
        check_same_images(data, start.checkpoint)
        load_weights(module, start.checkpoint["state_dict"], Path(cfg.ckpt_path))
    elif cfg.init_from is not None:
        origin = start_from(module, cfg, data)
    if is_auto(cfg):
        cfg = settle(cfg, choose(cfg, data, module))
    check_computation(cfg)
    if cfg.compile:
        log.info("compile=true: the first step waits for the compiler, seconds or, with many layers, a minute")
        module.compile_training()
    return Run(cfg, data, module, build_trainer(cfg, start.changes, start.stopped), origin)


def check_run(run: Run, start: Start) -> None:
    """Refuse what would fail later, before anything is written."""
    run_dir = Path(run.cfg.run_dir)
    if is_first_process():
        averaged = len(averages(run.trainer))
        check_space(run_dir, run.module, place_of(run_dir), checkpoint_files(run.trainer), averaged)
    check_all(run.cfg, run.module, run.trainer, run.data, start.checkpoint, start.is_over)


def fit(run: Run, record: Record) -> None:
    """Begin the record, then train."""
    cfg, trainer, objective = run.cfg, run.trainer, run.module.objective
    record.trainer = trainer
    bound, weights = run.module.bound, objective.evaluation_weights()
    fit = f"reconstruction + {weights.rate:g} * rate"
    if bound is not None:
        fit = f"{type(bound).__name__} of {bound.samples} codes, with weight {weights.rate:g} on the rate,"
    divergence = divergence_name(run.module.divergence)
    measured = "" if objective.weighs_divergence else ", which is measured, not optimised"
    log.info("loss = %s + %g * %s%s", fit, weights.divergence, divergence, measured)
    if objective.weighs_divergence and not objective.weighs_rate and not run.module.divergence.is_strict:
        log.warning(
            "%s is also 0 for other q(z) than the prior, and alpha=1 leaves out the rate that its paper weighs beside "
            "it: nothing holds q(z) at the prior. model.alpha=0 puts the rate back", divergence,
        )  # fmt: skip
    for name in objective.moving:
        log.info("%s moves in training (%s); validation and test weigh as above", name, weight_label(cfg.model[name]))
    tell_short_epochs(run.data)
    trainer.loggers = build_loggers(cfg)
    record.begin(cfg)
    if run.origin is not None and is_first_process():
        write_record(Path(cfg.run_dir) / "init_from.json", run.origin._asdict(), inside=Path(cfg.run_dir))
    for logger in trainer.loggers:
        logger.log_hyperparams(hyperparameters(cfg))
    trainer.fit(run.module, datamodule=run.data, ckpt_path=cfg.ckpt_path, weights_only=True)


def test(run: Run) -> dict[str, float]:
    """Return the final weights' metrics: of the validation split, by which runs are chosen, and of the test split."""
    trainer = run.trainer
    validated = {name: value for name, value in final_row(trainer).items() if name.startswith("validation/")}
    if not validated and trainer.limit_val_batches and "validation" in run.data.evaluation_splits:
        # The last epoch ended without a validation, as under check_val_every_n_epoch=2.
        trainer.validate(run.module, datamodule=run.data, verbose=False)
        validated = _numbers(trainer, "validation/")
    trainer.test(run.module, datamodule=run.data, verbose=False)
    return validated | _numbers(trainer, "test/")


def _numbers(trainer: pl.Trainer, prefix: str) -> dict[str, float]:
    return {name: float(value) for name, value in sorted(trainer.callback_metrics.items()) if name.startswith(prefix)}
