"""Run subcommands of ``infovae`` as a user does."""

import os
import shlex
import subprocess
import sys

from hydra.core.hydra_config import HydraConfig

from infovae.terminal.command import STARTED_BY, config_dir, typed


def run_script(name: str, *arguments: str) -> None:
    """Run a subcommand to its end. Its exit status is ignored: callers read the folders that it leaves.

    Where it says how to go on, it names the command that runs it.

    It finds the same configs as the command that runs it: ``--config-dir`` and ``hydra.searchpath`` are handed on.
    """
    command = [sys.executable, "-P", "-m", "infovae", name]  # -P: no module of the current folder replaces another
    searched: list[str] = []
    if HydraConfig.initialized():
        searched = [entry for entry in HydraConfig.get().overrides.hydra if entry.startswith("hydra.searchpath=")]
    environment = os.environ | {STARTED_BY: shlex.join(typed())}
    subprocess.run([*command, *config_dir(), *arguments, *searched], env=environment, check=False)
