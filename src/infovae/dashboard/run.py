"""A run folder as plain data."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infovae.dashboard.command import exact_command
from infovae.dashboard.pictures import Picture, find_pictures
from infovae.dashboard.reading import UnreadableError, mapping, number, read_json, read_rows, read_yaml, strict
from infovae.runs.final_row import final_position

FILES = ("config.yaml", "metrics.csv", "summary.json", "evaluation.json", ".hydra/hydra.yaml")
STATUSES = ("finished", "failed", "interrupted")
MOST_KEYS = 5000
LONGEST = 1000


@dataclass
class Run:
    """What the page shows of a run.

    ``status`` is that of ``summary.json``; without one a run is ``running``, or ``stalled`` where nothing was written
    for long, and ``damaged`` where a file that should tell can't be read.
    """

    path: str
    status: str = "damaged"
    error: str | None = None
    problems: list[str] = field(default_factory=list)
    config: dict[str, bool | float | str | None] = field(default_factory=dict)
    metrics: dict[str, float | str | None] = field(default_factory=dict)
    curves: dict[str, list[float | None]] = field(default_factory=dict)
    pictures: list[Picture] = field(default_factory=list)
    command: str | None = None
    revision: str | None = None
    changed: bool = False
    touched: float = 0.0


def read_run(folder: Path, curve_points: int, stalled_after: float) -> Run:
    """Read what can be read; never raises.

    Args:
        folder: the run folder.
        curve_points: longer curves are thinned to this many epochs.
        stalled_after: seconds after which a run that writes nothing counts as stalled.
    """
    run = Run(str(folder))
    try:
        _fill(run, folder, curve_points, stalled_after)
    except Exception as error:  # no folder, however it is damaged, may take the others' page down
        run.status = "damaged"
        run.problems.append(f"{type(error).__name__}: {error}")
    return run


def _fill(run: Run, folder: Path, curve_points: int, stalled_after: float) -> None:
    run.touched = last_touched(folder)
    run.pictures = find_pictures(folder)
    config = _attempt(run, read_yaml, folder, "config.yaml")
    summary = _attempt(run, read_json, folder, "summary.json")
    evaluation = _attempt(run, read_json, folder, "evaluation.json") or {}
    hydra = mapping((_attempt(run, read_yaml, folder, ".hydra/hydra.yaml") or {}).get("hydra"))
    if config is None and not run.problems:
        run.problems.append("config.yaml: missing")

    told_damaged = bool(run.problems)
    if config is not None:
        run.config = _choices(hydra) | _flat(run, config, folder)
    rows = _attempt(run, read_rows, folder, "metrics.csv")
    if rows is not None:
        columns, left_out, torn = rows
        run.curves = _thinned(columns, curve_points)
        run.metrics = _final(columns, number((summary or {}).get("epoch")))
        left_out += torn and summary is not None  # a run that goes on may be writing that line just now
        if left_out:
            run.problems.append(f"metrics.csv: {left_out} unreadable row(s) left out")

    summary = summary or {}
    run.metrics |= _scalars(summary.get("metrics"))
    run.metrics |= _scalars({name: summary.get(name) for name in ("wall_seconds", "images_per_second")})
    run.metrics |= {f"evaluation/{name}": value for name, value in _scalars(evaluation.get("metrics")).items()}
    run.command = exact_command(summary, hydra)
    git = mapping(summary.get("git"))
    run.revision = str(git["revision"]) if git.get("revision") else None
    run.changed = bool(git.get("changed"))
    run.error = str(summary["error"]) if summary.get("error") else None
    if summary and summary.get("status") not in STATUSES:
        run.problems.append(f"summary.json: status {summary.get('status')!r:.80} is none of {', '.join(STATUSES)}")
    elif summary:
        run.status = summary["status"]
    elif not told_damaged:
        run.status = "running" if time.time() - run.touched < stalled_after else "stalled"


def last_touched(folder: Path) -> float:
    """When anything of the run was last written, in seconds since the epoch; 0 where nothing can be told."""
    times = [0.0]
    for name in (*FILES, "figures", "checkpoints"):
        try:
            times.append((folder / name).stat().st_mtime)
        except OSError:
            continue
    return max(times)


def _attempt(run: Run, read: Any, folder: Path, name: str) -> Any:
    try:
        return read(folder, name)
    except UnreadableError as problem:
        run.problems.append(str(problem))
        return None


def _choices(hydra: dict[Any, Any]) -> dict[str, bool | float | str | None]:
    """The options chosen of each group, as ``model: vae``."""
    choices = mapping(mapping(hydra.get("runtime")).get("choices"))
    return {str(group): str(option) for group, option in choices.items() if not str(group).startswith("hydra/")}


def _flat(run: Run, config: dict[Any, Any], folder: Path) -> dict[str, bool | float | str | None]:
    """Dotted keys and plain values. The run's own folder is replaced by a name: by it every run would differ."""
    flat: dict[str, bool | float | str | None] = {}
    own = str(config.get("run_dir") or folder)

    def visit(prefix: str, value: Any) -> None:
        if len(flat) > MOST_KEYS:
            return
        if isinstance(value, dict):
            for name, entry in value.items():
                visit(f"{prefix}.{name}" if prefix else str(name), entry)
        elif isinstance(value, bool | None):
            flat[prefix] = value
        elif (as_number := number(value)) is not None:
            flat[prefix] = strict(as_number) if isinstance(value, float) or abs(as_number) >= 2**53 else value
        else:
            flat[prefix] = str(value).replace(own, "RUN")[:LONGEST]

    visit("", config)
    flat.pop("run_dir", None)
    if len(flat) > MOST_KEYS:
        run.problems.append(f"config.yaml: more than {MOST_KEYS} keys, the rest left out")
    return flat


def _scalars(metrics: Any) -> dict[str, float | str | None]:
    numbers = {str(name): number(value) for name, value in mapping(metrics).items()}
    return {name: strict(value) for name, value in numbers.items() if value is not None}


def _final(columns: dict[str, list[float | None]], kept: float | None) -> dict[str, float | str | None]:
    """What was measured of the weights that a run ended with, which may be those of an earlier epoch than the last."""
    row = final_position(columns.get("epoch", []), kept)
    final = {name: values[row] for name, values in columns.items() if values and values[row] is not None}
    return {name: strict(value) for name, value in final.items() if name not in ("step", "seconds")}


def _thinned(columns: dict[str, list[float | None]], most: int) -> dict[str, list[float | None]]:
    """At most so many rows, evenly, the first and last among them; six digits, which is more than a plot shows."""
    count = len(next(iter(columns.values()), []))
    kept = range(count) if count <= most else [round(step * (count - 1) / (most - 1)) for step in range(most)]
    return {name: [_short(values[row]) for row in kept] for name, values in columns.items()}


def _short(value: float | None) -> float | None:
    if value is None or value - value != 0:  # also infinities and NaN: a gap
        return None
    return float(f"{value:.6g}")
