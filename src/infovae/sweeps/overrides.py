"""Handle overrides as text, key by key."""

import itertools
import re
from collections.abc import Iterable, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException


def not_overridden(overrides: Iterable[str], by: Iterable[str]) -> list[str]:
    """Return the overrides whose key none of the others has."""
    keys = {key_of(entry) for entry in by}
    return [entry for entry in overrides if key_of(entry) not in keys]


def unquoted(value: str) -> str:
    """Return the text of an override's value; one without quotes is taken as it is."""
    if len(value) < 2 or value[0] != value[-1] or value[0] not in "'\"":
        return value
    return re.sub(rf"(\\+)(?={value[0]}|$)", lambda match: match[1][::2][: len(match[1]) // 2], value[1:-1])


def combinations(overrides: Iterable[Override]) -> list[list[str]]:
    """Return every combination of the values of sweeps, as overrides; the last key moves fastest."""
    values = {}
    for override in overrides:
        key = override.get_key_element()
        swept = override.is_sweep_override()
        texts = override.sweep_string_iterator() if swept else [override.get_value_element_as_str()]
        values[key] = [f"{key}={text}" for text in texts]
    return list(map(list, itertools.product(*values.values())))


def for_swept_options(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a sweep with the keys of swept options as ``choice(VALUE)``, a sweep of one value.

    Hydra composes the sweep's own config without what is swept, and would miss the keys that only an option brings.
    """
    parsed = {argument: _parsed(argument) for argument in arguments}
    sweeps = [override for override in parsed.values() if override and override.is_sweep_override()]
    swept = tuple(f"{package_of(override)}." for override in sweeps)
    held = []
    for argument, override in parsed.items():
        chosen = "{0}=choice({2})".format(*argument.partition("="))
        waits = override and not (override.is_sweep_override() or override.is_delete()) and _parsed(chosen)
        held.append(chosen if waits and override and package_of(override).startswith(swept) else argument)
    return held


def package_of(override: Override) -> str:
    """Return the key at which an override changes the config: the package of a group's option."""
    return (override.package or override.key_or_group).replace("/", ".")


def _parsed(argument: str) -> Override | None:
    try:
        return OverridesParser.create().parse_override(argument)
    except HydraException:  # Hydra refuses it in its turn; or a flag; or choice() of what that does not take, as null
        return None


def key_of(override: str) -> str:
    """Return the key that an override sets, without the signs before it."""
    return override.partition("=")[0].lstrip("+~")
