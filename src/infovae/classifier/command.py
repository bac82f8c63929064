"""Write the command that trains a data set's classifier."""

import functools
import inspect
import json
from collections.abc import Callable
from typing import Any

from infovae.terminal.command import shell_line

FOLDER = "data/classifiers"
"""The default folder of trained classifiers."""


def training_command(source: Callable[[], Any], folder: str = FOLDER) -> str:
    """Return ``infovae classifier data=...`` with the source's settings, quoted for a shell.

    Args:
        source: of the data set, as the config made it.
        folder: the folder for the classifier.
    """
    function: Callable[..., Any] = source
    given: dict[str, Any] = {}
    while isinstance(function, functools.partial):
        given = function.keywords | given
        function = function.func
    known = inspect.signature(function).parameters
    chosen = {
        f"data.{name}" if name in ("root", "path") else f"data.source.{name}": value
        for name, value in given.items()
        if name not in known or value != known[name].default
    }
    if folder != FOLDER:
        chosen["folder"] = folder
    overrides = [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in chosen.items()]
    return shell_line("classifier", f"data={function.__name__}", *overrides)
