"""The command that the user typed, and commands to type next."""

import argparse
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


def shell_line(name: str, *words: str) -> str:
    """Return a command line of ``infovae``, quoted for a shell; it finds the configs that this command finds."""
    return shlex.join(["infovae", name, *config_dir(), *words])


def config_dir() -> list[str]:
    """Return the flag ``--config-dir`` of the command line, if it is there."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config-dir", "-cd")
    folder = parser.parse_known_args(sys.argv[1:])[0].config_dir
    return [] if folder is None else [f"--config-dir={folder}"]


def override(key: str, value: object) -> str:
    """Return ``key=value`` as Hydra reads it; in quotes if Hydra would take the value apart."""
    return f"{key}={in_quotes_if_needed(str(value))}"


def in_quotes_if_needed(text: str) -> str:
    """Return text as Hydra reads it: in quotes if it would take the text apart, or lacks one of its characters."""
    return text if re.fullmatch(r"[\w./:@?|%*+\-]+", text, re.ASCII) else quoted(text)


def quoted(value: str) -> str:
    """Return text as an override can hold it, whatever its characters."""
    return "'" + re.sub(r"(\\*)('|$)", lambda match: 2 * match[1] + match[2].replace("'", "\\'"), value) + "'"
