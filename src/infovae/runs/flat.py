"""Flatten nested mappings."""

from collections.abc import Iterator, Mapping
from typing import Any


def flat(content: Mapping[Any, Any], separator: str, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value that isn't a mapping, with the keys that lead to it joined into one."""
    for name, value in content.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from flat(value, separator, f"{key}{separator}")
        else:
            yield key, value
