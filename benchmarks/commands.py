"""The project's commands, run in this process from the top of a clone."""

import json
import shutil
from pathlib import Path
from typing import Literal

from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict

from infovae import load
from infovae.app.command import COMMANDS, run_task
from infovae.config.options import CONF
from infovae.evaluation.load import SavedRun


def run(command: str, *overrides: str) -> None:
    """Run a subcommand."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose(COMMANDS[command].config, overrides=list(overrides), return_hydra_config=True)
    HydraConfig.instance().set_config(cfg.copy())
    with open_dict(cfg):
        del cfg["hydra"]
    run_task(command, cfg)


def trained(folder: Path, settings: str, checkpoint: Literal["last", "best"] = "last") -> SavedRun:
    """Return the model of a run folder, trained unless the run has finished."""
    summary = folder / "summary.json"
    if not summary.is_file() or json.loads(summary.read_text())["status"] != "finished":
        shutil.rmtree(folder, ignore_errors=True)
        quiet = "logger=none", "pictures=[]", "trainer.enable_progress_bar=false", "seed=1"
        run("train", *quiet, *settings.split(), f"run_dir={folder}")
    return load(folder, checkpoint)
