"""Configs as flat mappings, and paths in them that moved with a run folder."""

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


def moved(path: str, before: str, now: str) -> str:
    """Return a path with the folder ``now`` in place of ``before``, if it is that folder or lies below it."""
    return now + path.removeprefix(before) if f"{path}/".startswith(f"{before}/") else path
