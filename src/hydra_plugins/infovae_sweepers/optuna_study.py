"""Search with Optuna; each trial is a job."""

import logging
import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from infovae.config.imports import imported
from infovae.config.options import names_nothing
from infovae.errors import UserError, reason_of
from infovae.runs.files import write_whole
from infovae.runs.folder import leave_no_trace
from infovae.runs.lock import claimed
from infovae.sweeps.best import write_best
from infovae.sweeps.check import check_jobs
from infovae.sweeps.jobs import Job, outcome
from infovae.sweeps.launch import check_launcher, launch
from infovae.sweeps.objectives import SEARCH, STOPPED, read_objectives
from infovae.sweeps.own_trials import OVERRIDES, SWEEP, identify, own_trials
from infovae.sweeps.report import report
from infovae.terminal.install import install
from infovae.terminal.printable import printable

if TYPE_CHECKING:  # an extra, and Hydra reads this module whatever the sweeper
    from optuna import Study
    from optuna.samplers import BaseSampler

    from infovae.sweeps.search_space import Space

log = logging.getLogger(__name__)

SAMPLER = "hydra.sweeper.sampler"

IN_ORDER = ("GridSampler", "QMCSampler")
"""Samplers whose seed is the order of all that a study draws; the study knows how far they came."""


@dataclass(eq=False)
class OptunaStudy(Sweeper):
    """Draw trials from a study, run each as a job in the folder of its number, and report its end to the study.

    The study lies in a storage, where other machines add to it and :class:`TrialPruning` compares trials. A job that
    fails is a failed trial, and the search goes on. A job that was cut off stays open until the sweep is resumed.
    """

    storage: str  # URL of the study's
    study_name: str
    n_trials: int  # how many this sweep finishes
    n_jobs: int  # how many trials to give the launcher at a time
    params: Mapping[str, Any]  # sweeps by key, in addition to those of the command line
    objectives: Sequence[Any]  # see SearchObjective
    sampler: DictConfig  # config of one of Optuna's

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        check_launcher(config.hydra)
        for name in ("n_trials", "n_jobs"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise UserError(f"hydra.sweeper.{name}={getattr(self, name)}: invalid; accepted: whole numbers from 1")
        if not isinstance(self.sampler, DictConfig):
            raise names_nothing(SAMPLER, self.sampler)
        seed = self.sampler.get("seed")
        if seed is not None and not (isinstance(seed, int) and 0 <= seed < 2**32):
            accepted = "null, and whole numbers from 0 to 4294967295"
            raise UserError("invalid", key=f"{SAMPLER}.seed", value=seed, accepted=accepted)
        self.objectives = read_objectives(self.objectives)
        self.config = config
        self.hydra_context = hydra_context
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        assert self.config is not None
        assert self.hydra_context is not None
        try:
            from infovae.sweeps.search_space import first_trial, shared_and_searched
        except ImportError as error:
            raise UserError(f"hydra/sweeper=optuna: not installed; {install('optuna')}") from error

        params = [f"{key}={values}" for key, values in self.params.items()]
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        shared, space = shared_and_searched(parser.parse_overrides([*params, *arguments]))
        if not space:
            accepted = "hparams_search=NAME, or sweeps as 'model.lambda_=tag(log,interval(1,1000))'"
            raise UserError("nothing to search over", key="hydra/sweeper=optuna", accepted=accepted)
        monitors, first = imported("infovae.training.monitors"), first_trial(shared, space)
        check_jobs(self.hydra_context.config_loader, self.config, [first], further=monitors.check_objectives)
        sweep_dir, start = Path(self.config.hydra.sweep.dir), time.time()
        try:
            with claimed(sweep_dir, "hydra.sweep.dir"):
                self._search(sweep_dir, shared, space)
        except UserError:
            leave_no_trace(sweep_dir.absolute(), since=start)
            raise

    def _study(self, space: "Space") -> "Study":
        """Return the study, made if there is none; refuse what its sampler or its earlier trials can't go with."""
        import optuna

        from infovae.sweeps.search_space import refuse_another_space

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        directions = [objective.direction for objective in self.objectives]
        sampler = self._sampler(drawn=0)
        try:
            optuna.create_study(sampler=sampler, directions=directions).ask(space)  # a trial asked in vain stays open
        except Exception as error:  # of a sampler's own kind
            key, accepted = f"{SAMPLER}._target_", "samplers for such a space and as many objectives"
            why, target = printable(reason_of(error)).rstrip("."), self.sampler.get("_target_")
            raise UserError(why, key=key, value=target, accepted=accepted) from error
        try:
            study = optuna.create_study(
                storage=self.storage, study_name=self.study_name, directions=directions, load_if_exists=True
            )
        except Exception as error:  # of a storage's own kind
            why, accepted = f"{type(error).__name__}: {printable(str(error))}", "URLs of databases, as sqlite:///FILE"
            raise UserError(why, key="hydra.sweeper.storage", value=self.storage, accepted=accepted) from error
        if (known := [direction.name.lower() for direction in study.directions]) != directions:
            why, accepted = f"{self.study_name} in the storage has others", f"objectives to {', '.join(known)}, in turn"
            raise UserError(why, key=SEARCH, value=f"[{','.join(directions)}]", accepted=accepted)
        refuse_another_space(space, study)
        study.sampler = self._sampler(drawn=len(study.get_trials(deepcopy=False)))
        return study

    def _search(self, sweep_dir: Path, shared: Sequence[str], space: "Space") -> None:
        for link in filter(Path.is_symlink, sweep_dir.iterdir()):  # the database would write through it
            why, accepted = f"{link} is a link", "a folder without links"
            raise UserError(why, key="hydra.sweep.dir", value=sweep_dir, accepted=accepted)
        assert self.config is not None
        assert self.launcher is not None
        study = self._study(space)
        name = identify(study, sweep_dir)
        write_whole(sweep_dir / "multirun.yaml", OmegaConf.to_yaml(self.config), inside=sweep_dir)
        resume = [entry for entry in shared if entry.startswith("sweep.resume=")]
        jobs = [
            Job(sweep_dir / str(trial.number), (*trial.user_attrs[OVERRIDES], *resume))
            for trial in own_trials(study, name, "RUNNING")  # cut off
        ]
        ended = [
            Job(sweep_dir / str(trial.number), tuple(trial.user_attrs[OVERRIDES]))
            for trial in own_trials(study, name, "COMPLETE", "PRUNED")
        ]
        left = self.n_trials - len(jobs) - len(ended)
        log.info("sweep folder: %s (%d trials to run)", sweep_dir, left + len(jobs))
        launched: list[Job] = []
        while jobs or left > 0:
            while left > 0 and len(jobs) < self.n_jobs:
                trial = study.ask(space)
                drawn = [f"{key}={value}" for key, value in trial.params.items()]
                job = Job(sweep_dir / str(trial.number), (*shared, *drawn, f"sweep.trial={trial.number}"))
                trial.set_user_attr(OVERRIDES, job.overrides)
                trial.set_user_attr(SWEEP, name)  # last, since a resumed search runs its trials by their overrides
                jobs.append(job)
                left -= 1
            batch, jobs = jobs[: self.n_jobs], jobs[self.n_jobs :]
            self.validate_batch_is_legal([job.overrides for job in batch])
            launch(self.launcher, batch, shared)
            launched += batch
            for job in batch:
                if self._tell(study, job):
                    log.info("the sampler has nothing left to draw")
                    left = 0
        write_best(study, self.objectives, sweep_dir)
        report([*(job for job in ended if outcome(job.folder).finished), *launched], sweep_dir)

    def _sampler(self, drawn: int) -> "BaseSampler":
        """Return the sampler for a study that has drawn some trials; the same seed would draw those again."""
        from infovae.config.build import build  # here: --help answers without waiting for pydantic

        seed = self.sampler.get("seed")
        later = {}
        if seed is not None and drawn and not str(self.sampler.get("_target_")).endswith(IN_ORDER):
            later["seed"] = random.Random(f"{seed} {drawn}").getrandbits(32)
        return build(self.sampler, SAMPLER, **later)

    def _tell(self, study: "Study", job: Job) -> bool:
        """Tell the study how a trial ended; return whether its sampler has nothing left to draw, as that of a grid."""
        try:
            self._tell_end(study, job)
        except RuntimeError as error:  # from stop(), which ends optimize() alone; the trial is stored by then
            if "Study.stop" not in str(error):
                raise
            return True
        return False

    def _tell_end(self, study: "Study", job: Job) -> None:
        from optuna.trial import TrialState

        number, ended = int(job.folder.name), outcome(job.folder)
        if ended.finished:
            values = [objective.value(ended.metrics) for objective in self.objectives]
            if not all(map(math.isfinite, values)):
                study.tell(number, state=TrialState.FAIL)
            elif STOPPED in study.get_trials(deepcopy=False)[number].user_attrs:
                study.tell(number, state=TrialState.PRUNED)
            else:
                study.tell(number, values)
        elif ended.status == "failed":
            study.tell(number, state=TrialState.FAIL)
