"""Handle overrides as text, key by key."""

import re
from collections.abc import Iterable


def not_overridden(overrides: Iterable[str], by: Iterable[str]) -> list[str]:
    """Return the overrides whose key none of the others has."""
    keys = {key_of(entry) for entry in by}
    return [entry for entry in overrides if key_of(entry) not in keys]


def unquoted(value: str) -> str:
    """Return the text of an override's value; one without quotes is taken as it is."""
    if len(value) < 2 or value[0] != value[-1] or value[0] not in "'\"":
        return value
    return re.sub(rf"(\\+)(?={value[0]}|$)", lambda match: match[1][::2][: len(match[1]) // 2], value[1:-1])


def key_of(override: str) -> str:
    """Return the key that an override sets, without the signs before it."""
    return override.partition("=")[0].lstrip("+~")
