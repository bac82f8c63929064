"""The files that say what a run is: ``config.yaml``, ``.hydra/`` and JSON records."""

import json
import logging
import math
import os
import platform
import subprocess
import tempfile
from importlib.metadata import version
from logging.handlers import MemoryHandler
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from infovae.errors import UserError
from infovae.runs.files import write_whole
from infovae.terminal.command import typed

COARSENESS = 0.1
"""Seconds by which a file system's clock may lag."""

PACKAGES = ("infovae", "torch", "torchvision", "pytorch-lightning", "hydra-core", "wandb", "torchmetrics", "numpy")


def begin(cfg: DictConfig, run_dir: Path) -> None:
    """Write the config of a run into its folder, and let its log go to a file.

    ``.hydra/`` is as Hydra itself would write it, before anything is checked. The summary of an earlier attempt in the
    same folder is removed, so a folder without a summary belongs to a run that goes on, or that was cut off.
    """
    write_config(cfg, run_dir)
    (run_dir / "summary.json").unlink(missing_ok=True)
    hydra = OmegaConf.create({"hydra": HydraConfig.get()})
    for name, content in (("config", cfg), ("hydra", hydra), ("overrides", hydra.hydra.overrides.task)):
        write_whole(run_dir / ".hydra" / f"{name}.yaml", OmegaConf.to_yaml(content), inside=run_dir)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, MemoryHandler):  # conf/config.yaml's, which has held the lines until now
            handler.capacity = 1
            handler.flush()


def check_writable(folder: Path, key: str) -> None:
    """Refuse a folder that can't be made or written to, before work whose results go there."""
    place = next(path for path in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(path))
    if not place.is_dir():
        accepted = "a folder, there or to be made"
        raise UserError(f"{place.name} is not a folder", key=key, value=folder, accepted=accepted)
    try:
        tempfile.TemporaryFile(dir=place).close()  # also where permissions promise more than the file system allows
    except OSError as error:
        raise UserError(f"{place} can't be written to", key=key, value=folder, accepted="a folder that can") from error


def leads_out(name: str) -> bool:
    """Return whether the name of a file or folder inside another leads out of that."""
    return Path(name).is_absolute() or ".." in Path(name).parts


def leave_no_trace(run_dir: Path, since: float) -> None:
    """Remove an empty folder that Hydra made for a run, and the empty folders above it, up to the working directory.

    Those made before ``since``, in seconds since the Unix epoch, stay.
    """
    for folder in (run_dir, *run_dir.parents):
        try:
            if folder == Path.cwd() or folder.stat().st_mtime < since - COARSENESS:
                return
            folder.rmdir()
        except OSError:  # it holds files, or belongs to someone else, or there is no working directory any more
            return


def write_config(cfg: DictConfig, run_dir: Path) -> None:
    """Write the resolved config as ``config.yaml``."""
    write_whole(run_dir / "config.yaml", OmegaConf.to_yaml(cfg, resolve=True), inside=run_dir)


def write_record(path: Path, record: dict[str, Any], inside: Path | None = None) -> None:
    """Write a JSON file with a record, the command, the git revision and versions; below ``inside`` follow no link."""
    content = record | {"command": typed()} | code_used()
    write_whole(path, json.dumps(_strict(content), indent=2, allow_nan=False) + "\n", inside=inside)


def code_used() -> dict[str, Any]:
    """Return the git revision and the versions of packages, as a record holds them."""
    versions = {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}
    return {"git": git_revision(), "versions": versions}


def git_revision() -> dict[str, Any] | None:
    """Return the revision of the code and whether files have changed since; None outside a git checkout."""
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
    """Return a value without the infinities and nan that strict JSON lacks: they become strings that float() reads."""
    if isinstance(value, dict):
        return {name: _strict(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_strict(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
