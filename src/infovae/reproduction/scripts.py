"""The project's scripts, run as a user runs them."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[3]


def run_script(name: str, *arguments: str) -> None:
    """To its end, whatever that is: what it leaves behind tells."""
    subprocess.run([sys.executable, str(PROJECT / name), *arguments], check=False)
