"""A short text for a weight of the objective, from its config; without torch, for the dashboard."""

import re
from collections.abc import Mapping
from typing import Any

TELLING = ("target", "limit", "values")
"""Arguments that tell one schedule or controller of a class from another, beside ``start`` and ``end``."""


def weight_label(node: Any) -> str:
    """Return ``100``, ``linear 0→1000`` or ``hold_rate 10`` for a number, a schedule or a controller."""
    if not isinstance(node, Mapping):
        return _text(node)
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(node.get("_target_")).rpartition(".")[2]).lower()
    told = [node[key] for key in TELLING if key in node] or [[node[key] for key in ("start", "end") if key in node]]
    return f"{name} {_text(told[0])}".rstrip()


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "→".join(map(_text, value))
    return f"{value:g}" if isinstance(value, int | float) else str(value)
