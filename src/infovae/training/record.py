"""The record of one run: its folder, how it ended, and what is printed at its end."""

import logging
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.callbacks import ModelCheckpoint

from infovae.config.trusted import strangers
from infovae.data.module import data_module_of
from infovae.errors import INTERRUPTED, TERMINATED
from infovae.metrics.objective_terms import TERM_NAMES
from infovae.metrics.table import print_measured
from infovae.parallel import is_first_process
from infovae.runs.changes import ChangedError
from infovae.runs.checkpoints import newest_of
from infovae.runs.disk import as_one_line
from infovae.runs.final_position import final_position
from infovae.runs.folder import begin, write_record
from infovae.terminal.command import override, shell_line
from infovae.training.callbacks.kept_weights import kept_epoch
from infovae.training.callbacks.metrics_file import MetricsFile
from infovae.training.job import in_sweep, place_of
from infovae.training.loggers import wandb
from infovae.training.loggers.tracker import close_trackers
from infovae.training.preemption import Notice

log = logging.getLogger(__name__)


class Record:
    """What ``summary.json`` says of a run. The first of several processes alone writes it."""

    def __init__(self, cfg: DictConfig) -> None:
        self.cfg = cfg
        self.run_dir = Path(cfg.run_dir)
        self.trainer: pl.Trainer | None = None
        self.metrics: dict[str, float] = {}
        """The final ones, by name."""
        self.status = "failed"
        self.error: str | None = None
        self.has_begun = False
        self._start = perf_counter()
        self._written = False

    def begin(self, cfg: DictConfig) -> None:
        """Write the config; before that a run's folder is empty, or as an earlier attempt left it."""
        self.cfg = cfg
        if is_first_process():
            begin(cfg, self.run_dir)
            self.has_begun = True

    def write(self) -> None:
        """Write ``summary.json``; raise OSError if the disk refuses."""
        if not self.has_begun:
            return
        rows = rows_of(self.trainer)
        speeds = [row["train/images_per_second"] for row in rows if "train/images_per_second" in row]
        summary = {
            "status": self.status,
            "error": self.error,
            "name": self.cfg.name,
            "wall_seconds": perf_counter() - self._start,
            "images_per_second": statistics.median(speeds) if speeds else None,
            "epoch": final_row(self.trainer).get("epoch"),
            "metrics": self.metrics,
        }
        write_record(self.run_dir / "summary.json", summary, inside=self.run_dir)
        self._written = True

    def close(self) -> None:
        """Write the summary of a run that failed, end its W&B run, and print how the run came out."""
        if not self.has_begun:
            return
        if not self._written:
            try:
                self.write()
            except OSError as problem:  # the same full disk that ended the run, whose own error is to be heard
                log.error("summary.json couldn't be written: %s", problem)
        close_trackers(self.trainer, self.status == "finished")
        wandb.finish(exit_code=0 if self.status == "finished" else 1)
        if self.trainer is not None:
            self._print()

    def _print(self) -> None:
        job = f"job {self.run_dir.name}: " if in_sweep() else ""
        if self.metrics:
            names = [*(f"test/{name}" for name in TERM_NAMES), *self.metrics]
            tested = {name: self.metrics[name] for name in names if name.startswith("test/") and name in self.metrics}
            print_measured(f"{job}{self.cfg.name}", tested)
        # Printed plainly: a path must survive copying, whatever the terminal's width.
        lines = [f"{job}{self.status} after {perf_counter() - self._start:.0f} s", f"run folder: {self.run_dir}"]
        lines += [f"picture:    {picture}" for picture in sorted((self.run_dir / "figures").glob("*[!0-9].png"))]
        if self.trainer is not None and self.status == "finished" and not in_sweep():
            has_pictures = len(data_module_of(self.trainer).shape) == 3
            if (self.run_dir / "checkpoints").is_dir():
                lines += ["next:", *(f"  {line}" for line in next_steps(self.cfg, has_pictures))]
            elif (newest := newest_of(self.trainer)) is not None and _writes_checkpoints(self.trainer):
                lines.append(f"weights:    {newest}")  # elsewhere, or those of a run that had no epoch left to train
            else:
                lines.append("weights:    not kept, since no callback writes checkpoints; callbacks=checkpoint does")
        print("\n".join(lines))  # at once: jobs of a sweep share the terminal


@contextmanager
def recorded(cfg: DictConfig, notice: Notice) -> Iterator[Record]:
    """Record how the run inside ends, whatever ends it.

    Raises:
        SystemExit: the run was interrupted, or SIGTERM was received.
        UserError: the disk refused a file; any other error passes as it is.
    """
    record = Record(cfg)
    try:
        yield record
        record.status = "finished"
        record.write()
    except (KeyboardInterrupt, SystemExit) as interruption:
        record.status = "interrupted"
        raise SystemExit(TERMINATED if notice.received else INTERRUPTED) from interruption
    except Exception as problem:
        line = as_one_line(problem, record.run_dir, place_of(record.run_dir), record.trainer)
        record.status, record.error = "failed", f"{type(line).__name__}: {line}"
        # A sweep goes on by what its jobs leave, also those that were refused before they began.
        record.has_begun |= is_first_process() and in_sweep() and not isinstance(problem, ChangedError)
        if line is problem:
            raise
        raise line from problem
    finally:
        record.close()


def next_steps(cfg: DictConfig, has_pictures: bool) -> list[str]:
    """Return the commands that most users type after a training; only a model of pictures can be explored."""
    run = [override("run", cfg.run_dir), *(["trust=true"] if list(strangers(cfg)) else [])]
    compare = shell_line("dashboard", override("runs", Path(cfg.run_dir).parent))
    explore = f"{shell_line('explore', *run)}  # move through its codes in a browser"
    encode = f"{shell_line('encode', *run, 'output=codes.csv')}  # write its codes as a table"
    return [
        f"{shell_line('evaluate', *run)}  # measure the code and the samples",
        f"{compare}  # compare it with its neighbours in a browser",
        explore if has_pictures else encode,
    ]


def _writes_checkpoints(trainer: pl.Trainer) -> bool:
    return any(isinstance(callback, ModelCheckpoint) for callback in getattr(trainer, "callbacks", []))


def rows_of(trainer: pl.Trainer | None) -> list[dict[str, float]]:
    """Return the rows of ``metrics.csv``."""
    files = [callback for callback in getattr(trainer, "callbacks", []) if isinstance(callback, MetricsFile)]
    return [row for file in files for row in file.rows]


def final_row(trainer: pl.Trainer | None) -> dict[str, float]:
    """Return what was measured of the weights that a run ends with."""
    rows = rows_of(trainer)
    return rows[final_position([row["epoch"] for row in rows], kept_epoch(trainer))] if rows else {}
