"""The jobs of a sweep, and what their folders tell of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import OmegaConf

NOT_OF_THE_JOB = ("sweep.resume=", "sweep.trial=", "resume=")
"""Overrides that say how a job is run, not which job it is."""


@dataclass(frozen=True)
class Job:
    """One run of a sweep: its folder inside the sweep's, and its overrides."""

    folder: Path
    overrides: tuple[str, ...]

    @property
    def identity(self) -> tuple[str, ...]:
        """What tells this job from others, wherever its folder lies."""
        return tuple(sorted(entry for entry in self.overrides if not entry.startswith(NOT_OF_THE_JOB)))


@dataclass(frozen=True)
class Outcome:
    """How a job ended, as its ``summary.json`` has it."""

    status: str
    error: str | None
    metrics: dict[str, float]

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return self.status == "finished"

    def __str__(self) -> str:
        return self.error or self.status


def outcome(folder: Path) -> Outcome:
    """What a job's folder tells; a job without a summary was cut off before it could write one."""
    try:
        summary = json.loads((folder / "summary.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return Outcome("cut off", None, {})
    metrics = {name: float(value) for name, value in summary["metrics"].items()}
    return Outcome(summary["status"], summary["error"], metrics)


def recorded_jobs(sweep_dir: Path) -> list[Job]:
    """The jobs that a sweep's folder already holds, in the order of their numbers."""
    records = sorted(sweep_dir.glob("*/.hydra/overrides.yaml"), key=lambda path: (len(path.parts[-3]), path.parts[-3]))
    return [Job(record.parents[1], tuple(map(str, OmegaConf.load(record)))) for record in records]


def number_jobs(sweep_dir: Path, combinations: Sequence[Sequence[str]], recorded: Sequence[Job]) -> list[Job]:
    """A job for each combination: in the folder that it already has, else in one with the next free number."""
    folders = {job.identity: job.folder for job in recorded}
    taken = [int(job.folder.name) for job in recorded if job.folder.name.isdigit()]
    free = max(taken, default=-1) + 1
    jobs = []
    for overrides in combinations:
        job = Job(sweep_dir / str(free), tuple(overrides))
        known = folders.get(job.identity)
        jobs.append(Job(known, job.overrides) if known else job)
        free += known is None
    return jobs


def told_apart(jobs: Sequence[Job]) -> dict[Job, list[str]]:
    """The overrides of each job, at least one of them, that not all have; of a single one, all."""
    shared = set.intersection(*(set(job.identity) for job in jobs)) if len(jobs) > 1 else set()
    return {job: [entry for entry in job.identity if entry not in shared] for job in jobs}
