"""What must not end up in a run folder, which people hand on: the environment, and W&B keys."""

import os
import re
from typing import Any

from infovae.errors import UserError

ENVIRONMENT = re.compile(r"\$\{\s*oc\.env\s*:")
WANDB_KEY = re.compile(r"\bwandb_v\d+_\w{20,}")
"""A W&B key of the newer kind; one of the older kind looks like a git revision."""

SHORTEST = 16
"""Characters of a configured key; what is shorter could be any word."""


def refuse_secrets(node: Any, key: str = "") -> None:
    """Refuse a config that reads the environment, or that holds a W&B key; what is refused isn't repeated.

    Args:
        node: a config's content, not resolved, or one command-line argument.
        key: of the node.

    Raises:
        UserError: names the key.
    """
    if isinstance(node, dict):
        for name, entry in node.items():
            refuse_secrets(entry, f"{key}.{name}" if key else str(name))
    elif isinstance(node, list):
        for position, entry in enumerate(node):
            refuse_secrets(entry, f"{key}[{position}]")
    elif isinstance(node, str):
        if ENVIRONMENT.search(node):
            raise UserError(
                f"{key}: reads the environment (${{oc.env:...}}), which would be written into the run folder; "
                "accepted: the value itself, as $NAME in a shell"
            )
        if is_wandb_key(node):
            raise UserError(
                f"{key}: holds a W&B key, which would be written into the run folder; accepted: `wandb login` and "
                "the environment's WANDB_API_KEY"
            )


def is_wandb_key(text: str) -> bool:
    """Whether a W&B key is in a text: the one in the environment, or whatever looks like one of the newer kind."""
    configured = os.environ.get("WANDB_API_KEY", "")
    return bool(WANDB_KEY.search(text)) or (len(configured) >= SHORTEST and configured in text)
