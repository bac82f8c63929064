"""Build what a config names."""

import functools
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from infovae.config.options import names_nothing
from infovae.config.signatures import HYDRA_KEYS, is_foreign, located
from infovae.errors import ArgumentError, UserError, trace
from infovae.terminal.printable import printable


def build(node: DictConfig, key: str, **arguments: Any) -> Any:
    """Build what a node of a config names, and all nodes in it; further arguments of its target may be objects.

    Raises:
        UserError: the node names nothing, or a constructor refused its arguments. If it is not this package's, the
            error's details are the traceback.
    """
    content = OmegaConf.to_container(node, resolve=True)
    if not isinstance(content, dict) or "_target_" not in content:
        raise names_nothing(key, content)
    return _built(content, key, arguments)


def _built(node: Any, key: str, arguments: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_built(entry, f"{key}[{position}]", {}) for position, entry in enumerate(node)]
    if not isinstance(node, dict):
        return node
    if node.get("_recursive_", True):
        node = {name: _built(entry, f"{key}.{name}", {}) for name, entry in node.items()}
    if "_target_" not in node:
        return node
    function = located(node["_target_"], key)
    given = {str(name): entry for name, entry in node.items() if name not in HYDRA_KEYS}
    call = functools.partial(function, *node.get("_args_", []), **given)
    if node.get("_partial_") and not arguments:
        return call
    try:
        return call(**arguments)
    except UserError:
        raise
    except ArgumentError as error:
        raise error.below(key) from error
    except Exception as error:  # whatever a constructor of Lightning's, torch's or the user's raises
        details = trace(error) if is_foreign(function, error) else ""
        if isinstance(error, OSError) and not error.errno:  # names its key itself, as a reader of data does
            raise UserError(str(error), details=details) from error
        raise UserError(f"{type(error).__name__}: {printable(str(error))}", key=key, details=details) from error
