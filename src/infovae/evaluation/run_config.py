"""Read the config of a run folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from infovae.config.trusted import OPTIONAL, PARTS
from infovae.errors import UserError
from infovae.runs.find import runs_below
from infovae.runs.safe_yaml import LONGEST, safe_yaml
from infovae.terminal.printable import printable


def read_config(folder: Path, changes: Mapping[str, Any], lists: bool = False) -> DictConfig:
    """Return the config of a run, with changes by key.

    If a list of runs is accepted too where the folder is given, errors of ``lists=True`` say so.

    Raises:
        UserError: no run folder, a damaged config, or a change to a key that it doesn't have.
    """
    path = folder / "config.yaml"
    if not path.is_file():
        raise UserError(f"run={folder}: {_no_run(folder, lists)}")
    try:
        with path.open("rb") as file:
            cfg = OmegaConf.create(safe_yaml(file.read(LONGEST + 1).decode()))
        if not isinstance(cfg, DictConfig):
            raise ValueError("not a mapping")
        # A run writes its config without interpolations. With one, a stranger's run could read our environment.
        if "${" in OmegaConf.to_yaml(cfg, resolve=False):
            accepted = "the resolved config that a run writes"
            raise UserError(f"{path}: holds an interpolation (${{...}})", accepted=accepted)
        keys = sorted(map(str, cfg))
        unknown = [key for key in changes if key not in cfg]
        cfg.merge_with(changes)
        missing = [key for key in PARTS if not isinstance(cfg.get(key), DictConfig) and key not in OPTIONAL]
        missing += ["latent_dim"] if cfg.get("latent_dim") is None else []
    except (OmegaConfBaseException, HydraException, OSError, ValueError) as error:
        reason = printable(str(error))
        why, accepted = f"config.yaml is damaged ({reason})", "the folder of a run, as a run leaves it"
        raise UserError(why, key="run", value=folder, accepted=accepted) from error
    if missing:
        raise UserError(f"run={folder}: config.yaml lacks {', '.join(missing)}; accepted: the folder of a run")
    if unknown:
        raise UserError(f"override.{unknown[0]}: unknown key; accepted: {', '.join(keys)}")
    return cfg


def _no_run(folder: Path, lists: bool) -> str:
    """Return what is wrong with a folder that is no run, and which of the nearest runs below it are accepted."""
    below = [run for run in runs_below(folder, deepest=2) if (run / "config.yaml").is_file()]
    if not below:
        return "no config.yaml there; accepted: the folder of a run, as infovae train prints it"
    fewest = min(len(run.parts) for run in below)
    nearest = [run for run in below if len(run.parts) == fewest]
    if lists and len(nearest) > 1:
        several = ",".join(map(str, nearest[:2]))
        return f"{len(nearest)} runs are below it; accepted: one, as run={nearest[0]}, and a list, as run=[{several}]"
    return f"runs are below it; accepted: one, as run={nearest[0]}"
