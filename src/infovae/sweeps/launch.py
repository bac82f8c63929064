"""Jobs handed to an engine."""

import logging
from collections.abc import Sequence

from hydra.plugins.launcher import Launcher

from infovae.sweeps.jobs import Job
from infovae.sweeps.report import report_interruption

log = logging.getLogger(__name__)


def launch(launcher: Launcher, jobs: Sequence[Job]) -> None:
    """Run jobs, at least one, each in its folder; how they ended is to be read there.

    A job that fails leaves the others alone. Where the engine itself gives up, as when a process was killed, its jobs
    that have not finished stay so. Where the user ends a job, or the engine, the sweep ends, and says how it goes on.
    """
    overrides = [[*job.overrides, f"hydra.sweep.subdir='{job.folder.name}'"] for job in jobs]
    try:
        launcher.launch(overrides, initial_job_idx=0)
    except (KeyboardInterrupt, SystemExit):  # the latter of a job in this very process
        report_interruption(jobs[0].folder.parent)
        raise
    except Exception as error:
        log.error("%s: %s: %s", type(launcher).__name__, type(error).__name__, " ".join(str(error).split()))
