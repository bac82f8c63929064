"""Overrides, key by key."""

from collections.abc import Iterable


def not_overridden(overrides: Iterable[str], by: Iterable[str]) -> list[str]:
    """The overrides whose key none of the others has."""
    keys = {_key(entry) for entry in by}
    return [entry for entry in overrides if _key(entry) not in keys]


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")
