"""The cells of a figure: runs of `infovae train` in the folder of one sweep."""

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from infovae.config.messages import OVERRIDES
from infovae.errors import UserError
from infovae.evaluation.load import SavedRun, load
from infovae.reproduction.scripts import run_script
from infovae.runs.files import write_whole
from infovae.runs.final_position import final_position
from infovae.runs.safe_yaml import safe_yaml
from infovae.schedules.label import weight_label
from infovae.sweeps.jobs import Job, number_jobs, outcome, recorded_jobs
from infovae.sweeps.overrides import combinations, not_overridden


@dataclass(frozen=True)
class Cell:
    """A finished run."""

    folder: Path

    @cached_property
    def cfg(self) -> DictConfig:
        """The run's config."""
        cfg = OmegaConf.create(safe_yaml((self.folder / "config.yaml").read_text(encoding="utf-8")))
        assert isinstance(cfg, DictConfig)
        return cfg

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Measurements of the final weights by ``split/name``."""
        train = {name: value for name, value in self.final_row.items() if name.startswith("train/")}
        return train | outcome(self.folder).metrics

    @property
    def final_row(self) -> dict[str, float]:
        """The row of the epoch whose weights the run ended with; the last row if the run doesn't record that epoch."""
        return self.rows[final_position([row["epoch"] for row in self.rows], self.summary.get("epoch"))]

    @cached_property
    def rows(self) -> list[dict[str, float]]:
        """The rows of ``metrics.csv``, one for each epoch."""
        with (self.folder / "metrics.csv").open(newline="") as file:
            return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The content of ``summary.json``; a resumed run's wall time is that of its last part."""
        return json.loads((self.folder / "summary.json").read_text())

    @property
    def evaluation(self) -> dict[str, Any]:
        """The content of ``evaluation.json``, which changes; empty if the cell has not been evaluated."""
        path = self.folder / "evaluation.json"
        return json.loads(path.read_text()) if path.is_file() else {}

    @property
    def evaluated(self) -> dict[str, float]:
        """Measurements of `infovae evaluate` by ``split/name``."""
        found = self.evaluation.get("metrics", {})
        return {name: float(value) for name, value in found.items() if not isinstance(value, list)}

    @property
    def objective(self) -> str:
        """The run's point of the InfoVAE family, as a label."""
        model = self.cfg.model
        if "beta" in model:
            return f"β-VAE (β = {weight_label(model.beta)})"
        elbo = (model.alpha, model.lambda_) == (0, 1)
        point = f"α = {weight_label(model.alpha)}, λ = {weight_label(model.lambda_)}"
        name = "ELBO" if elbo else f"InfoVAE ({point})"
        return f"{name}, normalised" if "normalization" in self.cfg.posterior else name

    def load(self) -> SavedRun:
        """Return the trained model."""
        return load(self.folder)


def laid_over(overrides: Sequence[str], given: Sequence[str]) -> list[str]:
    """Return both lists of overrides as one, in which the given ones win key by key.

    A key that appears twice would make each cell twice.
    """
    return [*not_overridden(overrides, by=given), *given]


def check_overrides(overrides: Sequence[str]) -> None:
    """Raise a UserError that names the first override that infovae train couldn't read, if there is one."""
    for override in overrides:
        try:
            OverridesParser.create().parse_override(override)
        except HydraException as error:
            raise UserError(f"cells=[{override}]: can't be read; accepted: {OVERRIDES}") from error


def is_sweep(override: str) -> bool:
    """Return whether an override has several values."""
    return OverridesParser.create().parse_override(override).is_sweep_override()


def cells_of(folder: Path, overrides: Sequence[str]) -> list[Job]:
    """Return every combination of the overrides' values, each with its folder inside the sweep's."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    return number_jobs(folder, combinations(parsed), recorded_jobs(folder))


def distinct(jobs: Iterable[Job]) -> list[Job]:
    """Return each job once: overrides of every cell can make two arms equal."""
    return list({job.identity: job for job in jobs}.values())


def with_decoders_of(first: Iterable[Job], overrides: Sequence[str]) -> list[list[str]]:
    """Return, for each of these cells, the overrides of those that have its seed and start with its decoder."""
    seeds = {job: [override for override in job.overrides if override.startswith("seed=")] for job in first}
    return [
        laid_over(overrides, [*seed, f"init_from={job.folder}", "init_parts=[decoder]"]) for job, seed in seeds.items()
    ]


def finished(jobs: Iterable[Job]) -> list[Cell]:
    """Return the finished jobs."""
    return [Cell(job.folder) for job in jobs if outcome(job.folder).finished]


def run_cells(folder: Path, overrides: Sequence[str], launcher: Sequence[str]) -> None:
    """Run the unfinished cells as a resumed sweep, by the engine of the overrides ``launcher``.

    The cells' folders say how they ended.
    """
    # A resumed sweep adds the overrides that it was started with to its command. Here the command is complete, and the
    # overrides of an earlier one belong to other cells.
    record = OmegaConf.to_yaml({"hydra": {"overrides": {"hydra": [], "task": []}}})
    write_whole(folder / "multirun.yaml", record, inside=folder)
    if sys.stderr.isatty() and not launcher:  # of several cells at a time, bars would run into each other
        overrides = laid_over(overrides, ["trainer.enable_progress_bar=true"])
    run_script("train", "-m", *overrides, *launcher, f"sweep.resume={folder}")
