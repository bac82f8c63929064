"""Which trials of a study are a sweep's own, wherever its folder lies now."""

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from infovae.runs.files import write_whole
from infovae.runs.safe_yaml import safe_yaml

if TYPE_CHECKING:  # an extra
    from optuna import Study
    from optuna.trial import FrozenTrial

SWEEP, OVERRIDES = "sweep", "overrides"
"""Attributes of a trial: the name of its sweep, and the overrides of its job."""

PLACE = "folder of sweep "
"""An attribute of the study, before the name of a sweep: where its folder was when it last ran."""


def identify(study: "Study", sweep_dir: Path) -> str:
    """Return the name that trials have for their sweep, and tell the study where its folder is.

    The file ``sweep_id`` holds the name, so it moves with the folder. Versions without that file named a sweep by the
    path of its folder.
    """
    file = sweep_dir / "sweep_id"
    name = file.read_text().strip() if file.is_file() else ""
    if not name:
        known = {trial.user_attrs.get(SWEEP) for trial in study.get_trials(deepcopy=False)}
        name = next((path for path in _earlier_places(sweep_dir) if path in known), uuid4().hex)
        write_whole(file, f"{name}\n", inside=sweep_dir)
    study.set_user_attr(f"{PLACE}{name}", str(sweep_dir.resolve()))
    return name


def own_trials(study: "Study", name: str, *states: str) -> list["FrozenTrial"]:
    """Return a sweep's trials in certain states; other machines may have added others."""
    trials = study.get_trials(deepcopy=False)
    return [trial for trial in trials if trial.user_attrs.get(SWEEP) == name and trial.state.name in states]


def sweep_of(study: "Study", trial: "FrozenTrial") -> Path:
    """Return the folder of the sweep that a trial belongs to."""
    name = trial.user_attrs[SWEEP]
    return Path(study.user_attrs.get(f"{PLACE}{name}", name))


def _earlier_places(sweep_dir: Path) -> list[str]:
    """Return the paths that a folder of an earlier version had, as its runs recorded them; none for a new folder."""
    if not (sweep_dir / "multirun.yaml").is_file():
        return []
    places = []
    for config in sorted(sweep_dir.glob("[0-9]*/config.yaml")):
        try:
            places.append(str(Path(safe_yaml(config.read_text())["run_dir"]).parent.resolve()))
        except (OSError, ValueError, TypeError, KeyError):  # damaged
            continue
    return [*places, str(sweep_dir.resolve())]
