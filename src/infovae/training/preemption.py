"""Preemption: an orderly end on SIGTERM, and another start under Slurm."""

import logging
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from lightning_fabric.plugins.environments.slurm import SLURMEnvironment

log = logging.getLogger(__name__)


class Termination(SystemExit):
    """SIGTERM was received."""


class Notice:
    """Whether SIGTERM was received."""

    def __init__(self) -> None:
        self.received = False

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        if not self.received:  # a second one doesn't cut the orderly end short
            self.received = True
            raise Termination


@contextmanager
def termination_notice() -> Iterator[Notice]:
    """Turn SIGTERM into an exception, as Python does with Ctrl-C."""
    notice = Notice()
    if threading.current_thread() is not threading.main_thread():
        yield notice
        return
    before = signal.signal(signal.SIGTERM, notice)
    try:
        yield notice
    finally:
        signal.signal(signal.SIGTERM, before)


def cluster_plugins() -> list[SLURMEnvironment]:
    """Return Lightning's Slurm plugin without its requeueing, whose mid-epoch checkpoint can't be resumed exactly."""
    return [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else []


def requeue() -> None:
    """Ask Slurm to start this job again, unless there is no Slurm or the job was cancelled.

    A job that is preempted, or that runs out of time, gets the signal while its state is still RUNNING. A cancelled job
    has another state.
    """
    if "SLURM_JOB_ID" not in os.environ or shutil.which("scontrol") is None:
        return
    job = os.environ["SLURM_JOB_ID"]
    state = _slurm("squeue", "--noheader", "--jobs", job, "--format", "%T")
    if state != "RUNNING":
        log.info("job %s isn't requeued: its state is %s", job, state)
        return
    answer = _slurm("scontrol", "requeue", job)
    log.info("job %s is requeued%s", job, f": {answer}" if answer else "")


def _slurm(*command: str) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return " ".join(f"{answer.stdout} {answer.stderr}".split())
