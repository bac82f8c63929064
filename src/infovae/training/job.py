"""What Hydra knows of the run at hand: whether a sweep started it, its name, its place and its options."""

from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from infovae.runs.flat import flat


def in_sweep() -> bool:
    """Return whether this run is one of several, started with ``-m``."""
    return HydraConfig.get().mode == RunMode.MULTIRUN


def place_of(run_dir: Path) -> str:
    """Return the key by which the run folder was chosen, with its value."""
    return f"hydra.sweep.dir={HydraConfig.get().sweep.dir}" if in_sweep() else f"hydra.run.dir={run_dir}"


def divergence_name(divergence: object) -> str:
    """Return the class of a divergence, after the option that chose it where that has another name."""
    option, name = HydraConfig.get().runtime.choices.get("divergence"), type(divergence).__name__
    return name if option is None or option.lower() == name.lower() else f"{option} ({name})"


def name_job(cfg: DictConfig) -> None:
    """Name a run of a sweep by its overrides, and group it by its sweep."""
    if in_sweep():
        hydra = HydraConfig.get()
        cfg.name = hydra.job.override_dirname or cfg.name
        cfg.group = cfg.group or Path(hydra.sweep.dir).name


def hyperparameters(cfg: DictConfig) -> dict[str, Any]:
    """Return the chosen options by group and plain values by key, so that trackers can group by any of them.

    Keys are joined by slashes: W&B reads a dot in a name as a level of nesting, and then finds nothing.
    """
    choices = HydraConfig.get().runtime.choices.items()
    options = {group.replace(".", "/"): option for group, option in choices if option and "hydra" not in group}
    content = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(content, dict)
    return options | dict(flat(content, "/"))
