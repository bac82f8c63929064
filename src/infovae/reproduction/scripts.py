"""Run subcommands of ``infovae`` as a user does."""

import subprocess
import sys


def run_script(name: str, *arguments: str) -> None:
    """Run a subcommand to its end. Its exit status is ignored: callers read the folders that it leaves."""
    # -P: modules in the current folder must not replace installed ones.
    subprocess.run([sys.executable, "-P", "-m", "infovae", name, *arguments], check=False)
