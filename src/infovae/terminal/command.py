"""The command that the user typed."""

import os
import shlex
import sys

VARIABLE = "INFOVAE_COMMAND"
"""Holds the subcommand, for this process and for those that it starts."""


def subcommand() -> str:
    """Return the subcommand of ``infovae`` that is running, such as ``train``."""
    return os.environ.get(VARIABLE, "train")


def does_several_runs() -> bool:
    """Return whether the command line asks for a sweep."""
    return not {"-m", "--multirun", "hydra.mode=MULTIRUN"}.isdisjoint(sys.argv)


def typed() -> list[str]:
    """Return the words of the command; of a script of the user's own, those that started it."""
    return ["infovae", subcommand(), *sys.argv[1:]] if VARIABLE in os.environ else [*sys.argv]


def shell_line(*arguments: str) -> str:
    """Return the running subcommand with other arguments, quoted for a shell."""
    return shlex.join(["infovae", subcommand(), *arguments])
