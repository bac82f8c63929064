"""Secrets must not reach a run folder, which people pass on: the environment, and W&B keys."""

import os
import re
from typing import Any

from infovae.errors import UserError

ENVIRONMENT = re.compile(r"\$\{\s*oc\.env\s*:")
WANDB_KEY = re.compile(r"\bwandb_v\d+_\w{20,}")
"""A W&B key of the newer kind. One of the older kind looks like a git revision."""

SHORTEST = 16
"""Characters of a configured key below which it could be any word."""


def refuse_secrets(node: Any, key: str = "") -> None:
    """Refuse an unresolved config that reads the environment or holds a W&B key, without repeating the value.

    ``node`` may also be the value of one argument of the command line, for ``key``.
    """
    if isinstance(node, dict):
        for name, entry in node.items():
            refuse_secrets(entry, f"{key}.{name}" if key else str(name))
    elif isinstance(node, list):
        for position, entry in enumerate(node):
            refuse_secrets(entry, f"{key}[{position}]")
    elif isinstance(node, str) and ENVIRONMENT.search(node):
        why = "reads the environment (${oc.env:...}), which would be written into the run folder"
        raise UserError(why, key=key, accepted="the value itself, such as $NAME in a shell")
    elif isinstance(node, str) and is_wandb_key(node):
        why = "holds a W&B key, which would be written into the run folder"
        raise UserError(why, key=key, accepted="`wandb login`, or WANDB_API_KEY in the environment")


def is_wandb_key(text: str) -> bool:
    """Return whether a text holds the W&B key of the environment, or anything that looks like a newer key."""
    configured = os.environ.get("WANDB_API_KEY", "")
    return bool(WANDB_KEY.search(text)) or (len(configured) >= SHORTEST and configured in text)
