"""The command that the user typed, and commands to type next."""

import os
import re
import shlex
import sys

VARIABLE = "INFOVAE_COMMAND"
"""Holds the subcommand, for this process and for those that it starts."""

STARTED_BY = "INFOVAE_STARTED_BY"
"""Holds the line that goes on with what this process does, if another subcommand started it."""


def subcommand() -> str:
    """Return the subcommand of ``infovae`` that is running, such as ``train``."""
    return os.environ.get(VARIABLE, "train")


def does_several_runs() -> bool:
    """Return whether the command line asks for a sweep."""
    return not {"-m", "--multirun", "hydra.mode=MULTIRUN"}.isdisjoint(sys.argv)


def typed() -> list[str]:
    """Return the words of the command; of a script of the user's own, those that started it."""
    return ["infovae", subcommand(), *sys.argv[1:]] if VARIABLE in os.environ else [*sys.argv]


def shell_line(*words: str) -> str:
    """Return a command line of ``infovae``, quoted for a shell."""
    return shlex.join(["infovae", *words])


def override(key: str, value: object) -> str:
    """Return ``key=value`` as Hydra reads it; in quotes if Hydra would take the value apart."""
    text = str(value)
    if re.fullmatch(r"[\w./:@?|%*+\-]+", text):
        return f"{key}={text}"
    return f"{key}={quoted(text)}"


def quoted(value: str) -> str:
    """Return text as an override can hold it, whatever its characters."""
    return "'" + re.sub(r"(\\*)('|$)", lambda match: 2 * match[1] + match[2].replace("'", "\\'"), value) + "'"
