"""Where the configs lie, which options their groups have, and which name was meant by an unknown one."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from infovae.errors import UserError

PACKAGE = Path(__file__).parents[1]
CONF = next((path for path in (PACKAGE / "conf", PACKAGE.parents[1] / "conf") if path.is_dir()), PACKAGE / "conf")
"""Inside the package where it was installed, at the top of a clone otherwise."""


def is_group(key: str) -> bool:
    """Return whether the content of a key is chosen among the options of a group."""
    return bool(key) and (CONF / key.replace(".", "/")).is_dir()


def options(group: str) -> list[str]:
    """Return the names of a group's options."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def choice(key: str) -> str:
    """Return how the content of a group's key is chosen, for an error."""
    group = key.replace(".", "/")
    return f"{group}=OPTION, of {', '.join(options(group))}"


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return a question with the name that resembles ``name`` most; empty if none does."""
    close = get_close_matches(name, list(names), n=1)
    return f"did you mean {close[0]}?" if close else ""


def suggestion(key: str, config: Mapping[Any, Any]) -> str:
    """Return `` (did you mean KEY?)`` after an unknown key; empty if no key of the config resembles it.

    Keys of the same parent come first, then those below it, then all others, then those that still need a value.
    """
    parent, _, name = key.rpartition(".")
    # Hydra's own settings have every name, and a value that interpolates another key is not the one to set.
    there = {
        other: value
        for other, value in _values_by_key(config)
        if other != key and (isinstance(value, Mapping) or "${" not in str(value))
    }
    beside = [other for other in there if other.rpartition(".")[0] == parent]
    below = [other for other in there if not parent or other.startswith(f"{parent}.")]
    found: list[str] = []
    for keys in (beside, below, there):
        close = get_close_matches(name, {_last(other) for other in keys}, n=1, cutoff=0.75)
        found = found or [other for other in keys if [_last(other)] == close]
    found = found or [other for other in below if there[other] == "???"]
    names = [other.replace(".", "/") if is_group(other) else other for other in found[:3]]
    return f" (did you mean {' or '.join(names)}?)" if names else ""


def unknown_key(key: str, value: Any, names: Iterable[Any], config: Mapping[Any, Any], advice: str = "") -> UserError:
    """Return the error for a key that is not among the names that its parent takes."""
    known = ", ".join(sorted(name for name in map(str, names) if not name.startswith("_"))) or "none"
    shown = ... if isinstance(value, Mapping) else value
    return UserError(f"unknown key{suggestion(key, config)}", key=key, value=shown, accepted=known + advice)


def names_nothing(key: str, value: Any) -> UserError:
    """Return the error for a value without a ``_target_`` where a part is needed."""
    accepted = choice(key) if is_group(key) else f"{key}._target_=CLASS, beside what that takes"
    return UserError("doesn't say what to build", key=key, value=value, accepted=accepted)


def of_no_data_set(key: str, value: Any) -> UserError:
    """Return the error for a setting of a data set where the command line chooses none."""
    accepted = f"data=NAME beside it, as data=table data.path=FILE; for the run's own data, +override.{key}=VALUE"
    return UserError("no data set is chosen", key=key, value=value, accepted=accepted)


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _values_by_key(node: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, entry in node.items():
        if f"{prefix}{name}" == "hydra" or str(name).startswith("_"):
            continue
        yield f"{prefix}{name}", entry
        if isinstance(entry, Mapping):
            yield from _values_by_key(entry, f"{prefix}{name}.")
