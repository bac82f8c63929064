"""What went wrong with a command, in one line that names the key and what would be accepted."""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
    SearchPathException,
)  # fmt: skip
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationResolutionError,
    OmegaConfBaseException,
)  # fmt: skip

from infovae.errors import UserError

CONF = Path(__file__).parents[3] / "conf"

OVERRIDES = "KEY=VALUE, GROUP=OPTION, KEY=[VALUE,VALUE], +KEY=VALUE to add a key and ~KEY to take one away"

SUBJECTS = {"evaluate": "run", "export": "run", "dashboard": "runs", "classifier": "data", "reproduce": "figure"}
"""The key that says what a script is about, which is easily left out."""


def one_line(error: Exception) -> str:
    """What went wrong, and what would be accepted where that is known."""
    return re.sub(r"\s+", " ", _told(error)).strip()


def is_group(key: str) -> bool:
    """Whether a key's content is chosen by an option of a group."""
    return (CONF / key.replace(".", "/")).is_dir()


def choice(key: str) -> str:
    """How the content of such a key is chosen."""
    group = key.replace(".", "/")
    return f"{group}=OPTION, of {', '.join(_options(group))}"


def probably(key: str, config: Mapping[Any, Any]) -> str:
    """A question after the key that was meant by an unknown one; empty where nothing suggests any.

    Suggested are keys of the same name below the place where it was looked for, or else anywhere; or else, of those
    below it, the ones that still need a value.

    Args:
        key: that isn't there.
        config: all that is.
    """
    parent, _, name = key.rpartition(".")
    # Hydra has settings of every name; and what interpolates another key isn't the one to set.
    there = {
        other: value
        for other, value in _values_by_key(config)
        if other != key and not other.startswith("hydra.") and "${" not in str(value)
    }
    below = [other for other in there if not parent or other.startswith(f"{parent}.")]
    meant = [other for other in below if other.endswith(f".{name}")]
    meant = meant or [other for other in there if f".{other}".endswith(f".{name}")]
    meant = meant or [other for other in below if there[other] == "???" and _as_given(other) == other]
    return f" (is {' or '.join(map(_as_typed, meant))} meant?)" if meant else ""


def _values_by_key(node: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, entry in node.items():
        yield f"{prefix}{name}", entry
        if isinstance(entry, Mapping):
            yield from _values_by_key(entry, f"{prefix}{name}.")


def _as_typed(key: str) -> str:
    return key.replace(".", "/") if is_group(key) else key


def _told(error: Exception) -> str:
    cause = error.__cause__
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OverrideParseException):
        return _unreadable(str(error.override))
    if isinstance(error, MissingConfigException) and error.missing_cfg_file is not None:
        return _unknown_option(error, str(error.missing_cfg_file))
    if isinstance(cause, OmegaConfBaseException) and isinstance(cause.parent_node, DictConfig):
        return _unknown_key(cause, cause.parent_node)
    if isinstance(error, ConfigCompositionException) and (several := re.search(r"argument '(.*)'", str(error))):
        key, _, values = several[1].partition("=")
        sweep = ", or -m for a run of each" if _sweeps() else ""
        return f"{several[1]}: several values; accepted: one, a list as {key}=[{values}]{sweep}"
    if isinstance(error, ConfigCompositionException) and (group := re.search(r"must specify '(.*?)'", str(error))):
        return f"{group[1]}: no option is chosen; accepted: {', '.join(_options(group[1]))}"
    if isinstance(error, SearchPathException):
        return f"--config-dir: {error}; accepted: a folder of configs"
    if isinstance(error, ConfigAttributeError | ConfigKeyError) and cause is None:
        return f"{error.full_key}: it was taken away, and is needed"
    if isinstance(error, InterpolationResolutionError):
        reason = str(error).partition("\n")[0]
        return f"{_interpolating(error.full_key)}: {reason}; accepted: keys of the config, as --cfg job prints them"
    if isinstance(error, HydraException | OmegaConfBaseException):
        return f"{error} {cause}" if cause is not None and str(cause) not in str(error) else str(error)
    if isinstance(error, ValueError) and "Config group override must be a string or a list" in str(error):
        return _no_option()
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return f"not enough memory for what was asked for ({str(error).partition('memory: ')[2] or 'MemoryError'})"
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror} (HYDRA_FULL_ERROR=1 shows where)"
    return f"{type(error).__name__}: {error} (HYDRA_FULL_ERROR=1 shows where)"


def _unreadable(override: str) -> str:
    subject = SUBJECTS.get(_script())
    meant = f"{subject}={override}, " if subject and "=" not in override else ""
    return f"{override}: can't be read; accepted: {meant}{OVERRIDES}"


def _script() -> str:
    return Path(sys.argv[0]).stem


def _sweeps() -> bool:
    """Whether this command does several runs with -m; those that do say where their folders go."""
    config = CONF / f"{_script()}.yaml"
    return not config.is_file() or "sweep" in OmegaConf.load(config).hydra


def _unknown_key(cause: OmegaConfBaseException, node: DictConfig) -> str:
    accepted = ", ".join(sorted(key for key in map(str, node) if not key.startswith("_"))) or "none"
    key = str(cause.full_key)
    parent = key.rpartition(".")[0]
    if not node and is_group(parent):
        return f"{_as_given(key)}: no option of {parent} is chosen; accepted: {choice(parent)}"
    advice = f", or +{key}=VALUE to add it" if _can_be_added(key, node) else ""
    config = OmegaConf.to_container(node._get_root())
    assert isinstance(config, dict)
    return f"{_as_given(key)}: unknown key{probably(key, config)}; accepted: {accepted}{advice}"


def _can_be_added(key: str, node: DictConfig) -> bool:
    """Whether what the node names takes the key; a node that names nothing is open to any."""
    parent, _, name = key.rpartition(".")
    try:
        from infovae.config.signatures import signature_of  # here: --help answers without waiting for what checks types

        return "_target_" not in node or signature_of(node["_target_"], parent).takes(name)
    except UserError:
        return False


def _unknown_option(error: MissingConfigException, name: str) -> str:
    group, _, option = name.rpartition("/")
    options = ", ".join(error.options or _options(group))
    return f"{group or '--config-name'}={option}: unknown option; accepted: {options}"


def _options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def _as_given(key: str | None) -> str | None:
    """The key with the value that it has on the command line, if it is there."""
    return next((entry for entry in sys.argv[1:] if entry.lstrip("+~").partition("=")[0] == key), key)


def _interpolating(key: str | None) -> str | None:
    """What on the command line interpolates: what it spoils is often another key."""
    return next((entry for entry in sys.argv[1:] if "${" in entry), key)


def _no_option() -> str:
    for entry in sys.argv[1:]:
        key, _, value = entry.lstrip("+~").partition("=")
        if value and (CONF / key).is_dir() and not (CONF / key / f"{value}.yaml").is_file():
            return f"{entry}: not an option; accepted: {', '.join(_options(key))}"
    return "an option is neither a name nor a list of names; accepted: GROUP=OPTION and GROUP=[OPTION,OPTION]"
