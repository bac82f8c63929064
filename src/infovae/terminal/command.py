"""The command that the user typed."""

import os
import shlex
import sys
from collections.abc import Sequence

VARIABLE = "INFOVAE_COMMAND"
"""Holds the subcommand, for this process and for those that it starts."""


def subcommand() -> str:
    """Return the subcommand of ``infovae`` that is running, such as ``train``."""
    return os.environ.get(VARIABLE, "train")


def typed(arguments: Sequence[str] | None = None) -> list[str]:
    """Return the command as a list of words, with other arguments if they are given."""
    return ["infovae", subcommand(), *(sys.argv[1:] if arguments is None else arguments)]


def shell_line(*arguments: str) -> str:
    """Return the running subcommand with other arguments, quoted for a shell."""
    return shlex.join(typed(arguments))
