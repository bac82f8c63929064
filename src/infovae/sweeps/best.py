"""The trials of a search that no other trial beats: a file, a table and a picture."""

import io
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Column, Table

from infovae.runs.files import write_whole
from infovae.runs.safe_yaml import safe_yaml
from infovae.sweeps.jobs import NOT_OF_THE_JOB
from infovae.sweeps.objectives import SearchObjective
from infovae.sweeps.own_trials import OVERRIDES, sweep_of
from infovae.terminal.command import shell_line
from infovae.terminal.tables import print_table

if TYPE_CHECKING:  # an extra
    from optuna import Study
    from optuna.trial import FrozenTrial


def write_best(study: "Study", objectives: Sequence[SearchObjective], sweep_dir: Path) -> None:
    """Write ``best_trials.json`` and, for two objectives, ``pareto_front.png``; print the trials."""
    names = [f"|{entry.metric}|" if entry.absolute else entry.metric for entry in objectives]
    best: list[dict[str, Any]] = [
        {
            "trial": trial.number,
            "sweep": str(folder.parent),
            "folder": str(folder),
            "params": trial.params,
            "objectives": dict(zip(names, trial.values, strict=True)),
            "command": _command(trial, folder),
        }
        for trial in study.best_trials
        for folder in [sweep_of(study, trial) / str(trial.number)]
    ]
    write_whole(sweep_dir / "best_trials.json", json.dumps(best, indent=2) + "\n", inside=sweep_dir)
    if not best:
        return
    params = list(dict.fromkeys(name for entry in best for name in entry["params"]))
    table = Table("trial", *params, *names, Column("run folder", overflow="fold"))
    for entry in best:
        drawn = [_short(entry["params"].get(name, "")) for name in params]
        table.add_row(str(entry["trial"]), *drawn, *map(_short, entry["objectives"].values()), entry["folder"])
    print_table("trials that no other trial beats", table)
    print(f"train trial {best[0]['trial']} anew: {best[0]['command']}")
    print(f"commands of all: {sweep_dir / 'best_trials.json'}")
    if len(names) == 2:
        path = sweep_dir / "pareto_front.png"
        write_whole(path, _front(study, names), inside=sweep_dir)
        print(f"picture: {path}")


def _command(trial: "FrozenTrial", folder: Path) -> str:
    """Return the command that trains a trial's run in ``folder`` anew, outside the study."""
    overrides = [entry for entry in trial.user_attrs[OVERRIDES] if not entry.startswith(NOT_OF_THE_JOB)]
    config = folder / "config.yaml"
    if config.is_file() and "trial_pruning" in (safe_yaml(config.read_text()).get("callbacks") or {}):
        overrides.append("~callbacks.trial_pruning")  # it needs a study
    return shell_line("train", *overrides)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _front(study: "Study", names: list[str]) -> bytes:
    """Return a picture of all trials with the front among them, as PNG."""
    from optuna.visualization.matplotlib import plot_pareto_front  # here: an extra

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna's own: the function is experimental
        axes = plot_pareto_front(study, target_names=names)
    for trial in study.best_trials:
        axes.annotate(str(trial.number), trial.values, xytext=(4, 4), textcoords="offset points")
    content = io.BytesIO()
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.savefig(content, format="png", bbox_inches="tight", dpi=150)
    return content.getvalue()
