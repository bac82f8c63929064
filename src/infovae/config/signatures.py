"""What a target takes: its parameters with their types, narrowed by what is known of their ranges."""

import inspect
import logging
import typing
from collections.abc import Callable
from typing import Any, NamedTuple

from hydra.utils import get_object

from infovae.config.ranges import ranges_of
from infovae.errors import UserError

# What can't be imported Hydra also logs, over several lines; whoever asks for it tells it in one.
logging.getLogger("hydra.utils").addFilter(lambda record: not record.getMessage().startswith("Error getting object"))


class Signature(NamedTuple):
    """Of a class or function that a config names.

    Attributes:
        annotations: by parameter.
        open_ended: whether other keywords are taken too.
    """

    annotations: dict[str, Any]
    open_ended: bool

    def takes(self, name: str) -> bool:
        """Whether a key may stand beside the ``_target_``."""
        return self.open_ended or name in self.annotations


def signature_of(target: str, key: str) -> Signature:
    """Read the signature of a target.

    Args:
        target: its dotted path.
        key: of the node that names it.

    Raises:
        UserError: it can't be imported.
    """
    try:
        function: Callable[..., Any] = get_object(target)
        parameters = [] if _is_module_without_arguments(function) else inspect.signature(function).parameters.values()
    except (ImportError, ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f"{key}._target_={target}: can't be imported ({_reason(error, target)}); accepted: the dotted path of a "
            "class or function in a package that is installed, in the folder you are in, or on PYTHONPATH"
        ) from error
    try:
        hints = typing.get_type_hints(function.__init__ if inspect.isclass(function) else function)
    except (NameError, TypeError, AttributeError):
        hints = {}
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    annotations = {parameter.name: hints.get(parameter.name, Any) for parameter in parameters}
    ranges = {name: annotation for name, annotation in ranges_of(target).items() if name in annotations}
    return Signature(annotations | ranges, open_ended)


def _reason(error: Exception, target: str) -> str:
    cause = error.__cause__ or error
    # A class that a module lacks is also looked for as a module in it, and Python's own words are about that.
    if isinstance(cause, ModuleNotFoundError) and cause.name and f"{target}.".startswith(f"{cause.name}."):
        module, _, name = cause.name.rpartition(".")
        return f"{module} has no {name}" if module else f"there is no module {name}"
    return " ".join(str(cause).split())


def _is_module_without_arguments(function: Callable[..., Any]) -> bool:
    """Whether this is a torch module whose constructor is torch's own: it says ``**kwargs`` and refuses them all."""
    from torch import nn  # here: --help answers without waiting for torch

    return inspect.isclass(function) and function.__init__ is nn.Module.__init__
