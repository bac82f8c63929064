"""Run the project's scripts as a user does."""

import subprocess
import sys
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

PROJECT = Path(__file__).parents[3]


def run_script(name: str, *arguments: str) -> None:
    """Run a script to completion. Its exit code is ignored; callers inspect the run folders.

    A script finds the same configs as the command that runs it: ``--config-dir`` and ``hydra.searchpath`` are handed
    on.
    """
    subprocess.run([sys.executable, str(PROJECT / name), *arguments, *_config_places()], check=False)


def _config_places() -> list[str]:
    if not HydraConfig.initialized():
        return []
    hydra = HydraConfig.get()
    folders = [source.path for source in hydra.runtime.config_sources if source.provider == "command-line"]
    searched = [entry for entry in hydra.overrides.hydra if entry.startswith("hydra.searchpath=")]
    return [*(f"--config-dir={folder}" for folder in folders), *searched]
