"""Which arguments the target of a node takes: the names and types of its parameters, narrowed by known ranges."""

import importlib
import inspect
import os
import sysconfig
import traceback
import typing
from typing import Any, NamedTuple

from infovae.config.options import PACKAGE
from infovae.config.ranges import USELESS, ranges_of
from infovae.errors import UserError, trace

OURS = {"infovae", "torch", "torchvision", "torchmetrics", "pytorch_lightning", "lightning_fabric"}
"""Packages whose refusals need no traceback. All other code is the user's, who may be writing it."""

KNOWN = ("<", *(f"{path}{os.sep}" for path in (PACKAGE, *map(sysconfig.get_path, ("stdlib", "purelib", "platlib")))))
"""Where files of this package, of Python and of installed packages lie."""


HYDRA_KEYS = {"_target_", "_partial_", "_args_", "_recursive_", "_convert_"}
"""Keys beside a ``_target_`` that aren't arguments."""


class Signature(NamedTuple):
    """What a class or function takes: types by parameter, and whether it takes other keywords too."""

    annotations: dict[str, Any]
    open_ended: bool

    def takes(self, name: str) -> bool:
        """Return whether a key may stand beside the ``_target_``."""
        return self.open_ended or name in self.annotations


def located(target: str, key: str) -> Any:
    """Import the object that the ``_target_`` of node ``key`` names; raise a UserError if that is impossible."""
    try:
        parts = target.split(".")
        found: Any = importlib.import_module(parts[0])
        for i, part in enumerate(parts[1:], start=2):
            found = getattr(found, part) if hasattr(found, part) else importlib.import_module(".".join(parts[:i]))
    except Exception as error:  # whatever a module of the user's raises while it is imported
        place = "a package that is installed, in the folder you are in, or on PYTHONPATH"
        accepted = f"the dotted path of a class or function in {place}"
        why, details = f"can't be imported ({error})", "" if isinstance(error, ModuleNotFoundError) else trace(error)
        raise UserError(why, key=f"{key}._target_", value=target, accepted=accepted, details=details) from error
    return found


def signature_of(target: str, key: str) -> Signature:
    """Return what the target of node ``key`` takes; raise a UserError if it can't be imported, or called."""
    function = located(target, key)
    if not callable(function):
        raise UserError("can't be called", key=f"{key}._target_", value=target, accepted="a class or function")
    name = getattr(function, "__name__", "")
    if name in USELESS and function.__module__.startswith("pytorch_lightning.callbacks."):
        raise UserError("not supported", key=f"{key}._target_", value=target, accepted=USELESS[name].accepted)
    try:
        parameters = {} if _is_module_without_arguments(function) else inspect.signature(function).parameters
    except (TypeError, ValueError):  # written in C: it is checked when it is called
        return Signature({}, open_ended=True)
    try:
        hints = typing.get_type_hints(function.__init__ if inspect.isclass(function) else function)
    except (NameError, TypeError, AttributeError):
        hints = {}
    annotations = {name: hints.get(name, Any) for name in parameters}
    ranges = {name: annotation for name, annotation in ranges_of(target).items() if name in annotations}
    kinds = {parameter.kind for parameter in parameters.values()}
    return Signature(annotations | ranges, inspect.Parameter.VAR_KEYWORD in kinds)


def is_foreign(function: Any, error: BaseException) -> bool:
    """Return whether code that isn't ours raised an error: the function that was called, or one that it was given."""
    if str(getattr(function, "__module__", "")).partition(".")[0] not in OURS:
        return True
    return any(not frame.filename.startswith(KNOWN) for frame in traceback.extract_tb(error.__traceback__))


def _is_module_without_arguments(function: Any) -> bool:
    """Return whether this is a torch module with torch's own constructor, which says ``**kwargs`` and takes none."""
    from torch import nn  # here: --help answers without waiting for torch

    return inspect.isclass(function) and function.__init__ is nn.Module.__init__
