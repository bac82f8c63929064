"""The package that optimisers come from that torch doesn't have."""

from importlib import import_module
from types import ModuleType

from infovae.errors import UserError
from infovae.terminal.install import install


def pytorch_optimizer(option: str) -> ModuleType:
    """Return the module ``pytorch_optimizer``, an extra.

    Raises:
        UserError: it isn't installed; the error names the config's ``option``, as ``lion``.
    """
    try:
        return import_module("pytorch_optimizer")
    except ImportError as error:
        why, accepted = "pytorch-optimizer is not installed", install("optimizers")
        raise UserError(why, key=f"optimizer={option}", accepted=accepted) from error
