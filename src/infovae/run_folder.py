"""What a run folder holds besides what callbacks put there: config.yaml, and JSON records of what was done."""

import json
import math
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

PACKAGES = ("infovae", "torch", "torchvision", "pytorch-lightning", "hydra-core", "wandb", "torchmetrics", "numpy")


def write_origin(run_dir: Path) -> None:
    """Where a run comes from, as Hydra records it: its overrides, and the options and folders chosen.

    Not by Hydra itself, which does so before a run has claimed its folder.
    """
    folder, hydra = run_dir / ".hydra", HydraConfig.get()
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(OmegaConf.create({"hydra": hydra}), folder / "hydra.yaml")
    OmegaConf.save(hydra.overrides.task, folder / "overrides.yaml")


def write_config(cfg: DictConfig, run_dir: Path) -> None:
    """The resolved config, as ``config.yaml``; whole or not at all."""
    run_dir.mkdir(parents=True, exist_ok=True)
    aside = run_dir / "config.yaml.part"
    OmegaConf.save(cfg, aside, resolve=True)
    aside.replace(run_dir / "config.yaml")


def forget_summary(run_dir: Path) -> None:
    """Take away what an earlier attempt in the same folder left, so that no summary means: going on, or cut off."""
    (run_dir / "summary.json").unlink(missing_ok=True)


def write_record(path: Path, record: dict[str, Any]) -> None:
    """A JSON file with what is given, the command, git revision and versions; whole or not at all."""
    content = record | {
        "command": sys.argv,
        "git": git_revision(),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.part")
    aside.write_text(json.dumps(_strict(content), indent=2, allow_nan=False) + "\n")
    aside.replace(path)


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
