"""The `reproduce` command: train the missing cells of a figure, and draw it from the finished ones."""

import csv
import io
import json
import platform
import shlex
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from infovae.config.check import check
from infovae.config.options import options
from infovae.errors import UserError
from infovae.pictures.drawing import save_picture
from infovae.reproduction.cells import (
    Cell,
    cells_of,
    check_overrides,
    distinct,
    finished,
    is_sweep,
    laid_over,
    run_cells,
    with_decoders_of,
)
from infovae.reproduction.evaluations import evaluate_cells, evaluated
from infovae.reproduction.figure import Figure, Row, Scale
from infovae.reproduction.page import write_page
from infovae.runs.disk import disk_errors
from infovae.runs.files import write_whole
from infovae.runs.folder import check_writable
from infovae.sweeps.jobs import Job, told_apart
from infovae.sweeps.overrides import key_of
from infovae.training.assemble import build_chosen

TOP_LEVEL: dict[str, Any] = {"scale": Scale, "train": bool, "cells": list[str], "runs": str, "output": str}
"""Keys of infovae reproduce that belong to no group, with their types."""

EVERY_CELL = ("logger=none", "callbacks=checkpoint", "trainer.enable_progress_bar=false")
"""Overrides of every cell: it is measured and kept, and the figure is drawn later."""


def reproduce(cfg: DictConfig) -> None:
    """Make the figures that the config names.

    Raises:
        UserError: the config is refused, or cells of a figure didn't finish. The finished ones have then been drawn.
    """
    if not cfg.get("figure"):
        raise UserError("no option is chosen", key="figure", accepted=", ".join(options("figure")))
    check(cfg, TOP_LEVEL)
    check_writable(Path(cfg.runs), "runs")
    check_writable(Path(cfg.output), "output")
    check_overrides(cfg.cells)
    figures: dict[str, Figure] = build_chosen(cfg, "figure")
    for name, figure in figures.items():
        if cfg.scale not in figure.scales:
            why = f"figure={name} has no such scale"
            raise UserError(why, key="scale", value=cfg.scale, accepted=", ".join(figure.scales))
        for override in cfg.cells:
            if is_sweep(override) and not figure.separates(key_of(override)):
                why, accepted = f"figure={name} would average over these", "one value of this key"
                raise UserError(f"cells=[{override}]: {why}; accepted: {accepted}")
    incomplete = [name for name, figure in figures.items() if not _make(name, figure, cfg)]
    if incomplete:
        command = "the same command" if cfg.train else "the same command with train=true"
        raise UserError(f"{', '.join(incomplete)}: cells are missing; {command} runs them")


def _make(name: str, figure: Figure, cfg: DictConfig) -> bool:
    """Run, draw and write one figure; return whether it is complete."""
    folder = Path(cfg.runs) / cfg.scale / figure.cells_at.get(cfg.scale, name)
    arms: dict[str, list[Job]] = {}
    for arm, overrides in figure.overrides(cfg.scale, laid_over(EVERY_CELL, cfg.cells)).items():
        arms[arm] = []
        first = figure.decoders.get(arm)
        for each in [overrides] if first is None else with_decoders_of(arms[first], overrides):
            if cfg.train:
                run_cells(folder, each, _launcher())
            arms[arm] += cells_of(folder, each)
    jobs = distinct(chain(*arms.values()))
    done = finished(jobs)
    if evaluation := figure.evaluation.get(cfg.scale):
        if cfg.train:
            evaluate_cells(done, evaluation, figure.classifier)
        done = evaluated(done, evaluation)
    if done:
        findings = figure.draw(done)
        output = Path(cfg.output)
        page = output / f"{name}.md"
        with disk_errors(f"output={output}"):
            save_picture(findings.picture, output / f"{name}.png")
            write_whole(output / f"{name}.csv", _csv(findings.data))
            write_page(page, figure.title, _results(name, findings.tables, done, jobs, cfg))
        print(f"results: {page}")
    return len(done) == len(jobs)


def _launcher() -> list[str]:
    """Return the overrides that choose a launcher: it runs the cells, not this command."""
    return [name for name in HydraConfig.get().overrides.hydra if name.startswith(("hydra/launcher", "hydra.launcher"))]


def _results(name: str, tables: str, done: Sequence[Cell], jobs: Sequence[Job], cfg: DictConfig) -> str:
    command = ["infovae", "reproduce", f"figure={name}", f"scale={cfg.scale}"]
    command += [own for own in HydraConfig.get().overrides.task if own.lstrip("+~").startswith(f"figure.{name}.")]
    if cfg.cells:
        command.append(f"cells={json.dumps(list(cfg.cells))}")
    minutes = sum(cell.summary["wall_seconds"] for cell in done) / 60
    revisions = [(cell.summary["git"] or {}).get("revision", "an unknown revision")[:10] for cell in done]
    run_at = ", ".join(dict.fromkeys(revisions))
    lines = [
        f"![{name}]({name}.png)",
        f"`{shlex.join(command)}`; cells run at {run_at}. The figure's data: [`{name}.csv`]({name}.csv).",
        tables,
        f"Cost: {len(done)} runs, {minutes:.1f} minutes of their own clocks together, on {platform.machine()}."
        f"{earlier_weights(done, jobs)}",
    ]
    if len(done) < len(jobs):
        missing = {job: "" for job in jobs if job.folder not in {cell.folder for cell in done}}
        lines.append(f"**Incomplete**: {len(missing)} of {len(jobs)} cells are missing: {_listed(missing, jobs)}.")
    return "\n\n".join(lines)


def earlier_weights(done: Sequence[Cell], jobs: Sequence[Job]) -> str:
    """Return a sentence about the cells that ended with the weights of an earlier epoch; empty if there are none."""
    epochs = {cell.folder: (cell.final_row["epoch"], cell.rows[-1]["epoch"]) for cell in done}
    earlier = {folder: f" ({kept:.0f} of {last:.0f})" for folder, (kept, last) in epochs.items() if kept < last}
    told = {job: earlier[job.folder] for job in jobs if job.folder in earlier}
    if not told:
        return ""
    return f" {len(told)} ended with the weights of an earlier epoch than their last: {_listed(told, jobs)}."


def _listed(told: Mapping[Job, str], jobs: Sequence[Job]) -> str:
    """Return some of the cells as text, each with the overrides that only it has and a remark."""
    apart = told_apart(jobs)
    seeds: dict[str, list[str]] = {}
    for job, remark in told.items():
        own = [entry for entry in apart[job] if not entry.startswith("seed=")]
        seed = next((entry.removeprefix("seed=") for entry in job.overrides if entry.startswith("seed=")), "")
        seeds.setdefault(" ".join(own), []).append(f"{seed}{remark}")
    return "; ".join(f"{own} with seed {', '.join(values)}".strip() for own, values in seeds.items())


def _csv(rows: Sequence[Row]) -> str:
    """Return rows whose columns may differ as CSV, to five digits."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: f"{value:.5g}" if isinstance(value, float) else value for key, value in row.items()})
    return text.getvalue()
