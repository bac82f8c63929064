"""What a run folder holds besides what callbacks put there: config.yaml, and JSON records of what was done."""

import json
import logging
import math
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from logging.handlers import MemoryHandler
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from infovae.errors import UserError
from infovae.runs.files import write_whole

COARSENESS = 0.1
"""Seconds by which a file system's clock may lag behind."""

PACKAGES = ("infovae", "torch", "torchvision", "pytorch-lightning", "hydra-core", "wandb", "torchmetrics", "numpy")


def begin(cfg: DictConfig, run_dir: Path) -> None:
    """Write down what a run is; until then its folder is empty, or as an earlier attempt left it.

    ``.hydra/`` is as Hydra itself would write it, which does so before anything is checked. The summary of an earlier
    attempt in the same folder goes, so that no summary means: going on, or cut off.
    """
    write_config(cfg, run_dir)
    (run_dir / "summary.json").unlink(missing_ok=True)
    records = run_dir / ".hydra"
    records.mkdir(exist_ok=True)
    hydra = OmegaConf.create({"hydra": HydraConfig.get()})
    for name, content in (("config", cfg), ("hydra", hydra), ("overrides", hydra.hydra.overrides.task)):
        (records / f"{name}.yaml").write_text(OmegaConf.to_yaml(content), encoding="utf-8")
    for handler in logging.getLogger().handlers:
        if isinstance(handler, MemoryHandler):  # of conf/config.yaml: what was said so far, and then all at once
            handler.capacity = 1
            handler.flush()


def check_writable(folder: Path, key: str) -> None:
    """Refuse, before work whose results go there, a folder that can't be made or written to.

    Raises:
        UserError: names the key and what stands in the way.
    """
    place = next(path for path in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(path))
    if not place.is_dir():
        raise UserError(f"{key}={folder}: {place.name} is not a folder; accepted: a folder, there or to be made")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError(f"{key}={folder}: {place} can't be written to; accepted: a folder that can")


def leave_no_trace(run_dir: Path, since: float) -> None:
    """Take away an empty folder that Hydra made for a run, and the empty ones above it, up to where the user is.

    Args:
        run_dir: of a run that never began.
        since: seconds since the epoch; what is older was there before.
    """
    for folder in (run_dir, *run_dir.parents):
        try:
            if folder == Path.cwd() or folder.stat().st_mtime < since - COARSENESS:
                return
            folder.rmdir()
        except OSError:  # it holds something, or isn't ours
            return


def write_config(cfg: DictConfig, run_dir: Path) -> None:
    """The resolved config, as ``config.yaml``; whole or not at all."""
    write_whole(run_dir / "config.yaml", OmegaConf.to_yaml(cfg, resolve=True), inside=run_dir)


def write_record(path: Path, record: dict[str, Any]) -> None:
    """A JSON file with what is given, the command, git revision and versions; whole or not at all."""
    content = record | {
        "command": sys.argv,
        "git": git_revision(),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
    }
    write_whole(path, json.dumps(_strict(content), indent=2, allow_nan=False) + "\n")


def git_revision() -> dict[str, Any] | None:
    """The revision of the code and whether it was changed since; None outside a git checkout."""
    here = Path(__file__).parent
    try:
        revision = _git(here, "rev-parse", "HEAD")
        return {"revision": revision, "changed": bool(_git(here, "status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _strict(value: Any) -> Any:
    """Strict JSON has no infinities: they become the strings that float() reads."""
    if isinstance(value, dict):
        return {name: _strict(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_strict(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
