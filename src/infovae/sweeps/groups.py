"""The table that a sweep ends in: the mean and its standard error of each group of jobs that differ by their seed."""

import math
import statistics
from collections.abc import Mapping, Sequence

from rich.table import Column, Table

from infovae.sweeps.jobs import Job
from infovae.sweeps.overrides import key_of
from infovae.terminal.tables import print_table

SHOWN = ("log_det_covariance", "mmd", "elbo", "reconstruction", "rate", "loss")
"""Metrics of the test split, as far as they were measured: all that a terminal has room for."""


def print_groups(metrics: Mapping[Job, Mapping[str, float]], own: Mapping[Job, Sequence[str]]) -> None:
    """Print a row for each group of finished jobs; ``own`` has the overrides of each job that not all jobs have."""
    groups: dict[tuple[str, ...], list[Mapping[str, float]]] = {}
    for job, measured in metrics.items():
        apart = tuple(entry for entry in own[job] if key_of(entry) not in ("seed", "data.seed"))
        groups.setdefault(apart, []).append(measured)
    shown = [name for name in SHOWN if any(f"test/{name}" in measured for measured in metrics.values())]
    if len(metrics) < 2 or not shown:
        return
    table = Table(Column("group", overflow="fold"), "jobs", *shown)
    for apart, members in groups.items():
        cells = [mean_and_error([one[f"test/{name}"] for one in members if f"test/{name}" in one]) for name in shown]
        table.add_row("\n".join(apart) or "all", str(len(members)), *cells)
    print_table("test split: mean ± standard error over the finished jobs of a group", table)


def mean_and_error(values: Sequence[float]) -> str:
    """Return the mean, with its standard error from the sample variance if there are two values or more."""
    if not values:
        return ""
    mean = statistics.fmean(values)
    if len(values) < 2 or not math.isfinite(mean):
        return f"{mean:.4g}"
    return f"{mean:.4g} ± {statistics.stdev(values) / math.sqrt(len(values)):.2g}"
