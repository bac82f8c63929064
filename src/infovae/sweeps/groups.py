"""The table that a sweep ends in: the mean and its standard error of each group of jobs that differ by their seed."""

import csv
import io
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Column, Table

from infovae.runs.files import write_whole
from infovae.sweeps.jobs import Job
from infovae.sweeps.overrides import key_of
from infovae.terminal.tables import print_table, with_error

SPLIT = "test/"

SHOWN = ("log_det_covariance", "mmd", "elbo", "reconstruction", "rate", "loss")
"""Metrics of the test split, as far as they were measured: all that a terminal has room for."""


def tell_groups(metrics: Mapping[Job, Mapping[str, float]], own: Mapping[Job, Sequence[str]], sweep_dir: Path) -> None:
    """Print a row for each group of finished jobs, and write ``groups.csv``, which has all metrics of the test split.

    Args:
        metrics: of the finished jobs.
        own: the overrides of each job that not all jobs have.
        sweep_dir: the folder to write to.
    """
    groups: dict[tuple[str, ...], list[Mapping[str, float]]] = {}
    for job, measured in metrics.items():
        apart = tuple(entry for entry in own[job] if key_of(entry) not in ("seed", "data.seed"))
        groups.setdefault(apart, []).append(measured)
    tested = {name.removeprefix(SPLIT) for one in metrics.values() for name in one if name.startswith(SPLIT)}
    shown = [name for name in SHOWN if name in tested]
    names = [*shown, *sorted(tested.difference(shown))]
    if len(metrics) < 2 or not shown:
        return
    table = Table(Column("group", overflow="fold"), "jobs", *shown)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["group", "jobs", *names])
    for apart, members in groups.items():
        values = [[one[f"{SPLIT}{name}"] for one in members if f"{SPLIT}{name}" in one] for name in names]
        cells = list(map(mean_and_error, values))
        table.add_row("\n".join(apart) or "all", str(len(members)), *cells[: len(shown)])
        writer.writerow([" ".join(apart) or "all", len(members), *cells])
    path = sweep_dir / "groups.csv"
    write_whole(path, text.getvalue(), inside=sweep_dir)
    print_table(f"test split: mean ± standard error over the finished jobs of a group; all metrics: {path}", table)


def mean_and_error(values: Sequence[float]) -> str:
    """Return the mean, with its standard error from the sample variance if there are two values or more."""
    if not values:
        return ""
    mean = statistics.fmean(values)
    measurable = len(values) > 1 and math.isfinite(mean)
    return with_error(mean, statistics.stdev(values) / math.sqrt(len(values)) if measurable else None)
