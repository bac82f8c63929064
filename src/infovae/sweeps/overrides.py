"""Handle overrides as text, key by key."""

import re
from collections.abc import Iterable


def not_overridden(overrides: Iterable[str], by: Iterable[str]) -> list[str]:
    """Return the overrides whose key none of the others has."""
    keys = {_key(entry) for entry in by}
    return [entry for entry in overrides if _key(entry) not in keys]


def quoted(value: str) -> str:
    """Return text as an override can hold it, whatever its characters."""
    return "'" + re.sub(r"(\\*)('|$)", lambda match: 2 * match[1] + match[2].replace("'", "\\'"), value) + "'"


def unquoted(value: str) -> str:
    """Return the text of an override's value; one without quotes is taken as it is."""
    if len(value) < 2 or value[0] != value[-1] or value[0] not in "'\"":
        return value
    return re.sub(rf"(\\+)(?={value[0]}|$)", lambda match: match[1][::2][: len(match[1]) // 2], value[1:-1])


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")
