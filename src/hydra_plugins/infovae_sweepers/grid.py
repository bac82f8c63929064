"""Run every combination of the values on the command line."""

import logging
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from infovae.errors import UserError
from infovae.runs.files import write_whole
from infovae.runs.lock import claimed
from infovae.sweeps.check import check_jobs
from infovae.sweeps.engines import check_launcher
from infovae.sweeps.jobs import Job, SweepRecord, adopted, number_jobs, outcome, recorded_jobs, shared_overrides
from infovae.sweeps.launch import launch
from infovae.sweeps.report import report

log = logging.getLogger(__name__)


class Grid(BasicSweeper):
    """Hydra's own sweeper, but a job that fails leaves the others alone, and a resumed sweep runs the rest.

    Args:
        max_batch_size: how many jobs to give the launcher at a time; None gives all.
        params: values by key, in addition to those of the command line.
    """

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        check_launcher(config.hydra)
        if self.max_batch_size is not None and self.max_batch_size < 1:
            raise UserError(
                f"hydra.sweeper.max_batch_size={self.max_batch_size}: invalid; accepted: null and 1 or more"
            )
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> None:
        assert self.config is not None
        assert self.hydra_context is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        overrides = parser.parse_overrides([*self._parse_config(), *arguments])
        for override in overrides:
            if override.is_sweep_override() and not override.is_discrete_sweep():
                raise UserError(
                    f"{override.input_line}: has no end of values; accepted: lists of them, or hydra/sweeper=optuna"
                )
        (combinations,) = self.split_arguments(overrides, max_batch_size=None)
        check_jobs(self.hydra_context.config_loader, self.config, combinations)

        sweep_dir = Path(self.config.hydra.sweep.dir)
        with claimed(sweep_dir, "hydra.sweep.dir"):
            self._run(sweep_dir, combinations)

    def _run(self, sweep_dir: Path, combinations: list[list[str]]) -> None:
        assert self.config is not None
        assert self.launcher is not None
        resume = bool(self.config.sweep.resume)
        record = adopted(recorded_jobs(sweep_dir), combinations) if resume else SweepRecord([], [])
        jobs = number_jobs(sweep_dir, combinations, record)
        left = [job for job in jobs if not resume or job.folder in record.unreadable or _is_left(job)]
        write_whole(sweep_dir / "multirun.yaml", OmegaConf.to_yaml(self.config), inside=sweep_dir)
        log.info("sweep folder: %s (%d of %d jobs to run)", sweep_dir, len(left), len(jobs))
        size = self.max_batch_size or max(1, len(left))
        for start in range(0, len(left), size):
            launch(self.launcher, left[start : start + size], shared_overrides(jobs))
        report(jobs, sweep_dir)


def _is_left(job: Job) -> bool:
    ended = outcome(job.folder)
    if ended.status == "cut off" and ended.error:
        log.warning("job %s: %s", job.folder.name, ended)
    return not ended.finished
