"""Run subcommands of ``infovae`` as a user does."""

import subprocess
import sys

from hydra.core.hydra_config import HydraConfig


def run_script(name: str, *arguments: str) -> None:
    """Run a subcommand to its end. Its exit status is ignored: callers read the folders that it leaves.

    It finds the same configs as the command that runs it: ``--config-dir`` and ``hydra.searchpath`` are handed on.
    """
    command = [sys.executable, "-P", "-m", "infovae", name]  # -P: no module of the current folder replaces another
    flags: list[str] = []
    searched: list[str] = []
    if HydraConfig.initialized():
        hydra = HydraConfig.get()
        folders = [source.path for source in hydra.runtime.config_sources if source.provider == "command-line"]
        flags = [f"--config-dir={folder}" for folder in folders]
        searched = [entry for entry in hydra.overrides.hydra if entry.startswith("hydra.searchpath=")]
    subprocess.run([*command, *flags, *arguments, *searched], check=False)
