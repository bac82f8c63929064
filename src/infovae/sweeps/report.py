"""Report how a sweep ended."""

import sys
from collections.abc import Sequence
from pathlib import Path

from infovae.errors import UserError
from infovae.sweeps.jobs import Job, outcome, told_apart
from infovae.terminal.command import shell_line
from infovae.terminal.printable import printable


def report(jobs: Sequence[Job], sweep_dir: Path) -> None:
    """List the jobs that didn't finish, each with its own overrides and its error.

    Raises:
        UserError: there are such jobs.
    """
    outcomes = {job: outcome(job.folder) for job in jobs}
    unfinished = {job: ended for job, ended in outcomes.items() if not ended.finished}
    own = told_apart(jobs)
    for job, ended in unfinished.items():
        print(f"job {job.folder.name} ({' '.join(own[job])}): {printable(str(ended))}", file=sys.stderr)
    if unfinished:
        raise UserError(f"{len(unfinished)} of {len(jobs)} jobs didn't finish; {_resuming(sweep_dir)} runs them again")


def report_interruption(sweep_dir: Path) -> None:
    """Say how to resume a sweep that Ctrl-C ended."""
    print(f"interrupted; {_resuming(sweep_dir)} goes on", file=sys.stderr)


def _resuming(sweep_dir: Path) -> str:
    return shell_line("-m", f"sweep.resume={sweep_dir}")
