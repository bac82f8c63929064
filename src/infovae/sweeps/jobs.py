"""The jobs of a sweep, and what their folders say about them."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from infovae.runs.safe_yaml import safe_yaml

log = logging.getLogger(__name__)

NOT_OF_THE_JOB = ("sweep.resume=", "sweep.trial=", "resume=", "trainer.enable_progress_bar=")
"""Overrides that say how a job runs, not which job it is."""


@dataclass(frozen=True)
class Job:
    """One run of a sweep: its folder inside the sweep's, and its overrides."""

    folder: Path
    overrides: tuple[str, ...]

    @property
    def identity(self) -> tuple[str, ...]:
        """What distinguishes this job from others, wherever its folder lies."""
        return tuple(sorted(entry for entry in self.overrides if not entry.startswith(NOT_OF_THE_JOB)))


@dataclass(frozen=True)
class Outcome:
    """How a job ended, according to its ``summary.json``."""

    status: str
    error: str | None
    metrics: dict[str, float]

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.status == "finished"

    def __str__(self) -> str:
        return self.error or self.status


def outcome(folder: Path) -> Outcome:
    """Return how a job ended; one with a folder, but without a summary that can be read, counts as cut off."""
    try:
        match json.loads((folder / "summary.json").read_text()):
            case {"status": str(status), "error": str() | None as error, "metrics": dict(metrics)}:
                return Outcome(status, error, {name: float(value) for name, value in metrics.items()})
    except FileNotFoundError:
        return Outcome("cut off" if folder.exists() else "not started", None, {})
    except (OSError, ValueError, TypeError, RecursionError):
        pass
    return Outcome("cut off", f"cut off: {folder / 'summary.json'} is damaged", {})


class SweepRecord(NamedTuple):
    """What a sweep's folder holds: jobs by their numbers, and folders that don't say which job they are of."""

    jobs: list[Job]
    unreadable: list[Path]


def recorded_jobs(sweep_dir: Path) -> SweepRecord:
    """Return the jobs that a sweep's folder already holds."""
    folders = [path.parent for path in sweep_dir.glob("*/.hydra")]
    folders += [path for path in sweep_dir.glob("[0-9]*") if path.name.isdigit() and path not in folders]
    folders.sort(key=lambda path: (len(path.name), path.name))
    overrides = {folder: _recorded_overrides(folder / ".hydra") for folder in folders}
    jobs = [Job(folder, found) for folder, found in overrides.items() if found is not None]
    return SweepRecord(jobs, [folder for folder, found in overrides.items() if found is None])


def _recorded_overrides(records: Path) -> tuple[str, ...] | None:
    """Return the overrides of a job; None if neither of the two files that hold them can be read."""
    for name in ("hydra", "overrides"):  # the latter is written last, so it may be torn
        try:
            content = safe_yaml((records / f"{name}.yaml").read_text())
            found = content if name == "overrides" else content["hydra"]["overrides"]["task"]
        except (OSError, ValueError, TypeError, KeyError):
            continue
        if isinstance(found, list):
            return tuple(map(str, found))
    return None


def number_jobs(sweep_dir: Path, combinations: Sequence[Sequence[str]], record: SweepRecord) -> list[Job]:
    """Return a job for each combination: in the folder that it already has, else in one with the next free number."""
    folders = {job.identity: job.folder for job in record.jobs}
    names = [job.folder.name for job in record.jobs] + [folder.name for folder in record.unreadable]
    free = max((int(name) for name in names if name.isdigit()), default=-1) + 1
    jobs = []
    for overrides in combinations:
        job = Job(sweep_dir / str(free), tuple(overrides))
        known = folders.get(job.identity)
        jobs.append(Job(known, job.overrides) if known else job)
        free += known is None
    return jobs


def adopted(record: SweepRecord, combinations: Sequence[Sequence[str]]) -> SweepRecord:
    """Return a record in which a folder with a damaged record is that of the job at its number, to run again.

    A job that has another folder keeps that one.
    """
    known = {job.identity for job in record.jobs}
    jobs = list(record.jobs)
    for folder in record.unreadable:
        job = dict(enumerate(combinations)).get(int(folder.name) if folder.name.isdigit() else -1)
        if job is not None and Job(folder, tuple(job)).identity not in known:
            jobs.append(Job(folder, tuple(job)))
            log.warning("%s: its record in .hydra/ is damaged; the job of that number runs again there", folder)
        else:
            log.warning("%s: its record in .hydra/ is damaged; it is left alone", folder)
    return SweepRecord(jobs, record.unreadable)


def shared_overrides(jobs: Sequence[Job]) -> set[str]:
    """Return the overrides that all jobs have; none for a single job."""
    return set.intersection(*(set(job.identity) for job in jobs)) if len(jobs) > 1 else set()


def told_apart(jobs: Sequence[Job]) -> dict[Job, list[str]]:
    """Return for each job the overrides that not all jobs have; all of them for a single job."""
    shared = shared_overrides(jobs)
    return {job: [entry for entry in job.identity if entry not in shared] for job in jobs}
