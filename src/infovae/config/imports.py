"""Imports of modules that take seconds."""

import gc
import importlib
import sys
from types import ModuleType


def imported(name: str) -> ModuleType:
    """Return a module, and tell the garbage collector that all objects so far stay.

    While torch and Lightning are imported, the collector would search half a million objects for garbage again and
    again: a fifth of the seconds that this takes. Later collections would search them too.
    """
    if name in sys.modules:
        return sys.modules[name]
    gc.disable()
    try:
        module = importlib.import_module(name)
        gc.freeze()
    finally:
        gc.enable()
    return module
