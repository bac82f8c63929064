"""Hand jobs to an engine."""

import logging
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from shutil import which
from typing import Any

from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from infovae.errors import UserError
from infovae.sweeps.jobs import NOT_OF_THE_JOB, Job
from infovae.sweeps.overrides import key_of
from infovae.sweeps.report import report_interruption
from infovae.terminal.command import quoted
from infovae.terminal.install import install
from infovae.terminal.printable import printable

log = logging.getLogger(__name__)

LISTED = re.compile(r"^\t#(\d+) : ")
"""How engines list a job: by its place among the jobs that they were given."""

EXTRAS = {"hydra_joblib_launcher": "joblib", "hydra_submitit_launcher": "slurm", "hydra_ray_launcher": "ray"}
"""The extra that installs a Hydra plugin, by the plugin's package."""


def check_launcher(hydra: DictConfig) -> None:
    """Refuse a launcher whose plugin is missing, or whose cluster is."""
    plugins, _, rest = str(hydra.launcher._target_).partition(".")
    plugin = rest.partition(".")[0]
    choice = hydra.runtime.choices["hydra/launcher"]
    if plugins == "hydra_plugins" and find_spec(f"{plugins}.{plugin}") is None:
        raise UserError(f"not installed; {install(EXTRAS.get(plugin, plugin))}", key="hydra/launcher", value=choice)
    if rest.endswith(".SlurmLauncher") and which("srun") is None:  # by which the plugin knows a cluster
        accepted = "hydra/launcher=submitit_local, joblib or basic, or a machine of the cluster"
        raise UserError("no srun here", key="hydra/launcher", value=choice, accepted=accepted)


def launch(launcher: Launcher, jobs: Sequence[Job], shared: Collection[str] = ()) -> None:
    """Run jobs, at least one, each in its folder, which says afterwards how it ended.

    A job that fails leaves the others alone. If the engine itself gives up, as when a process was killed, its
    unfinished jobs stay unfinished. If the user ends a job or the engine, the sweep ends and says how to resume it.
    Overrides that all jobs of the sweep have, ``shared``, are left out where a job is named or listed.
    """
    unnamed = ",".join(sorted({quoted(key_of(entry).partition("@")[0]) for entry in (*NOT_OF_THE_JOB, *shared)}))
    naming = f"hydra.job.config.override_dirname.exclude_keys=[{unnamed}]"
    overrides = [[*job.overrides, f"hydra.sweep.subdir={quoted(job.folder.name)}", naming] for job in jobs]
    try:
        with _listed_by_folder(jobs, shared):
            launcher.launch(overrides, initial_job_idx=0)
    except (KeyboardInterrupt, SystemExit):  # the latter of a job in this very process
        report_interruption(jobs[0].folder.parent)
        raise
    except Exception as error:
        log.error("%s: %s: %s", type(launcher).__name__, type(error).__name__, printable(str(error)))


@contextmanager
def _listed_by_folder(jobs: Sequence[Job], shared: Collection[str]) -> Iterator[None]:
    """Let an engine list jobs by their folders and their own overrides: the first isn't always job 0.

    The log records themselves are changed, because engines set up handlers anew before they list.
    """
    make = logging.getLogRecordFactory()

    def made(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        listed = LISTED.match(str(record.msg)) if record.name.startswith("hydra") else None
        if listed:
            job = jobs[int(listed[1])]
            record.msg = f"\t#{job.folder.name} : {' '.join(entry for entry in job.identity if entry not in shared)}"
        return record

    logging.setLogRecordFactory(made)
    try:
        yield
    finally:
        logging.setLogRecordFactory(make)
