"""Report how a sweep ended."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from infovae.errors import UserError
from infovae.sweeps.groups import tell_groups
from infovae.sweeps.jobs import Job, outcome, told_apart
from infovae.terminal.command import STARTED_BY, override, shell_line, subcommand
from infovae.terminal.printable import printable


def report(jobs: Sequence[Job], sweep_dir: Path) -> None:
    """Tell what the finished jobs measured; list the others, if any, with their errors, and raise a UserError."""
    outcomes = {job: outcome(job.folder) for job in jobs}
    unfinished = {job: ended for job, ended in outcomes.items() if not ended.finished}
    own = told_apart(jobs)
    tell_groups({job: ended.metrics for job, ended in outcomes.items() if ended.finished}, own, sweep_dir)
    if STARTED_BY not in os.environ and len(unfinished) < len(jobs):
        print(f"compare: {shell_line('dashboard', override('runs', sweep_dir))}")
    for job, ended in unfinished.items():
        print(f"job {job.folder.name} ({' '.join(own[job])}): {printable(str(ended))}", file=sys.stderr)
    if unfinished:
        raise UserError(f"{len(unfinished)} of {len(jobs)} jobs didn't finish; {_resuming(sweep_dir)} runs them again")


def report_interruption(sweep_dir: Path) -> None:
    """Say how to resume a sweep that Ctrl-C ended."""
    print(f"interrupted; {_resuming(sweep_dir)} goes on", file=sys.stderr)


def _resuming(sweep_dir: Path) -> str:
    return os.environ.get(STARTED_BY) or shell_line(subcommand(), "-m", f"sweep.resume={sweep_dir}")
