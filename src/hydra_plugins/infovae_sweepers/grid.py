"""Run every combination of the values on the command line."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from infovae.errors import UserError
from infovae.runs.files import write_whole
from infovae.runs.lock import claimed
from infovae.sweeps.check import check_jobs
from infovae.sweeps.jobs import Job, SweepRecord, adopted, number_jobs, outcome, recorded_jobs, shared_overrides
from infovae.sweeps.launch import check_launcher, launch
from infovae.sweeps.overrides import combinations
from infovae.sweeps.report import report

log = logging.getLogger(__name__)


class Grid(Sweeper):
    """Like Hydra's basic sweeper, but a job that fails leaves the others alone, and a resumed sweep runs the rest.

    Args:
        max_batch_size: how many jobs to give the launcher at a time; None gives all.
        params: values by key, in addition to those of the command line.
    """

    def __init__(self, max_batch_size: int | None, params: Mapping[str, Any] | None = None) -> None:
        self.max_batch_size = max_batch_size
        self.params = params or {}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        check_launcher(config.hydra)
        if self.max_batch_size is not None and self.max_batch_size < 1:
            key = "hydra.sweeper.max_batch_size"
            raise UserError("invalid", key=key, value=self.max_batch_size, accepted="null and 1 or more")
        self.config = config
        self.hydra_context = hydra_context
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        assert self.config is not None
        assert self.hydra_context is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        own = [f"{key}={value}" for key, value in self.params.items()]
        overrides = parser.parse_overrides([*own, *arguments])
        for override in overrides:
            if override.is_sweep_override() and not override.is_discrete_sweep():
                accepted = "lists of them, or hydra/sweeper=optuna"
                raise UserError("has no end of values", key=str(override.input_line), accepted=accepted)
        jobs = combinations(overrides)
        check_jobs(self.hydra_context.config_loader, self.config, jobs)

        sweep_dir = Path(self.config.hydra.sweep.dir)
        with claimed(sweep_dir, "hydra.sweep.dir"):
            self._run(sweep_dir, jobs)

    def _run(self, sweep_dir: Path, asked: list[list[str]]) -> None:
        assert self.config is not None
        assert self.launcher is not None
        resume = bool(self.config.sweep.resume)
        record = adopted(recorded_jobs(sweep_dir), asked) if resume else SweepRecord([], [])
        jobs = number_jobs(sweep_dir, asked, record)
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
