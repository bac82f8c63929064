"""Read a run folder to plain data."""

import math
import time
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from infovae.dashboard import notes
from infovae.dashboard.command import exact_command
from infovae.dashboard.pictures import PictureFile, find_pictures
from infovae.dashboard.reading import UnreadableError, mapping, number, read_mapping, read_rows, strict
from infovae.runs.flat import flat, moved
from infovae.schedules.label import weight_label

FILES = ("config.yaml", "metrics.csv", "summary.json", "evaluation.json", ".hydra/hydra.yaml", notes.FILE)
STATUSES = ("finished", "failed", "interrupted")
MOST_KEYS = 5000
"""Of a config, and of metrics."""
LONGEST = 1000
"""Characters of a text."""


@dataclass
class RunData:
    """What the page shows of a run.

    ``status`` is that of ``summary.json``. Without that file a run is ``running``, or ``stalled`` if nothing was
    written for long, and ``damaged`` if its files can't be read.
    """

    path: str
    status: str = "damaged"
    error: str | None = None
    problems: list[str] = field(default_factory=list)
    config: dict[str, bool | float | str | None] = field(default_factory=dict)
    metrics: dict[str, float | str | None] = field(default_factory=dict)
    curves: dict[str, list[float | None]] = field(default_factory=dict)
    pictures: list[PictureFile] = field(default_factory=list)
    command: str | None = None
    revision: str | None = None
    changed: bool = False
    touched: float = 0.0
    notes: str = ""
    tags: list[str] = field(default_factory=list)


def read_run(folder: Path, curve_points: int, stalled_after: float) -> RunData:
    """Read what can be read of a run folder; never raise.

    Args:
        folder: the run folder.
        curve_points: longer curves are thinned to this many epochs.
        stalled_after: seconds after which a run that writes nothing counts as stalled.
    """
    run = RunData(str(folder))
    try:
        _fill(run, folder, curve_points, stalled_after)
    except Exception as error:  # no folder, however it is damaged, may take the others' page down
        run.status = "damaged"
        run.problems.append(f"{type(error).__name__}: {error}")
    return run


def _fill(run: RunData, folder: Path, curve_points: int, stalled_after: float) -> None:
    run.touched = last_touched(folder)
    run.pictures = find_pictures(folder)
    config = _attempt(run, read_mapping, folder, "config.yaml")
    summary = _attempt(run, read_mapping, folder, "summary.json")
    evaluation = _attempt(run, read_mapping, folder, "evaluation.json") or {}
    hydra = mapping((_attempt(run, read_mapping, folder, ".hydra/hydra.yaml") or {}).get("hydra"))
    if config is None and not run.problems:
        run.problems.append("config.yaml: missing")

    told_damaged = bool(run.problems)
    if config is not None:
        choices = mapping(mapping(hydra.get("runtime")).get("choices"))  # the option chosen from each group
        chosen = {str(name): str(option) for name, option in choices.items() if not str(name).startswith("hydra/")}
        run.config = {**chosen, **_plain_config(run, config, folder)}
    epoch = number((summary or {}).get("epoch"))
    rows = _attempt(run, read_rows, folder, "metrics.csv", curve_points, epoch, summary is None)
    if rows is not None:
        run.curves = _thinned(rows.columns, curve_points)
        run.metrics = _scalars(run, {name: rows.final[name] for name in rows.final if name not in ("step", "seconds")})
        run.problems += rows.problems

    try:
        found = notes.Notes.model_validate(_attempt(run, read_mapping, folder, notes.FILE) or {})
        run.notes, run.tags = found.notes, found.tags
    except ValueError:
        run.problems.append(f"{notes.FILE}: not a text and a list of tags")
    summary = summary or {}
    run.metrics |= _scalars(run, summary.get("metrics"))
    run.metrics |= _scalars(run, {name: summary.get(name) for name in ("wall_seconds", "images_per_second")})
    evaluated = _scalars(run, evaluation.get("metrics"))
    run.metrics |= {f"evaluation/{name}": value for name, value in evaluated.items()}
    run.command = exact_command(summary, hydra)
    git = mapping(summary.get("git"))
    run.revision = str(git["revision"])[:LONGEST] if git.get("revision") else None
    run.changed = bool(git.get("changed"))
    run.error = str(summary["error"])[:LONGEST] if summary.get("error") else None
    if summary and summary.get("status") not in STATUSES:
        run.problems.append(f"summary.json: status {summary.get('status')!r:.80} is none of {', '.join(STATUSES)}")
    elif summary:
        run.status = summary["status"]
    elif not told_damaged:
        run.status = "running" if time.time() - run.touched < stalled_after else "stalled"


def last_touched(folder: Path) -> float:
    """Return when anything of the run was last written, in seconds since the epoch; 0 if that is unknown."""
    times = [0.0]
    for name in (*FILES, "figures", "checkpoints"):
        try:
            times.append((folder / name).stat().st_mtime)
        except OSError:
            continue
    return max(times)


def _attempt(run: RunData, read: Any, *arguments: object) -> Any:
    try:
        return read(*arguments)
    except UnreadableError as problem:
        run.problems.append(str(problem))
        return None


def _plain_config(run: RunData, config: dict[Any, Any], folder: Path) -> dict[str, bool | float | str | None]:
    """Return plain values by dotted key.

    The run's own folder is replaced by a name: by it every run would differ.
    """
    own = str(config.get("run_dir") or folder)
    values = dict(islice(flat(config, "."), MOST_KEYS + 1))
    if len(values) > MOST_KEYS:
        run.problems.append(f"config.yaml: more than {MOST_KEYS} keys, the rest left out")
    values.pop("run_dir", None)
    model = mapping(config.get("model"))
    values |= {f"model.{name}": weight_label(node) for name, node in model.items() if isinstance(node, dict)}
    return {key: _plain_value(value, own) for key, value in values.items()}


def _plain_value(value: Any, own: str) -> bool | float | str | None:
    if isinstance(value, bool | None):
        return value
    as_number = number(value)
    if as_number is None:
        return moved(str(value), own, "RUN")[:LONGEST]
    return strict(as_number) if isinstance(value, float) or abs(as_number) >= 2**53 else value


def _scalars(run: RunData, metrics: Any) -> dict[str, float | str | None]:
    values = mapping(metrics)
    if len(values) > MOST_KEYS:
        run.problems.append(f"more than {MOST_KEYS} metrics, the rest left out")
    numbers = {str(name): number(value) for name, value in islice(values.items(), MOST_KEYS)}
    return {name: strict(value) for name, value in numbers.items() if value is not None}


def _thinned(columns: dict[str, list[float | None]], most: int) -> dict[str, list[float | None]]:
    """Return at most so many rows, evenly spaced, with the first and the last.

    They have five digits, as many as the page shows.
    """
    count = len(next(iter(columns.values()), []))
    kept = range(count) if count <= most else [round(step * (count - 1) / (most - 1)) for step in range(most)]

    def short(value: float | None) -> float | None:  # infinities and NaN are gaps, too
        return float(f"{value:.5g}") if value is not None and math.isfinite(value) else None

    return {name: [short(values[row]) for row in kept] for name, values in columns.items()}
