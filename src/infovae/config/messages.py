"""Turn whatever ends a command into one line that names the key and what would be accepted."""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
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
    ConfigTypeError,
    InterpolationResolutionError,
    OmegaConfBaseException,
)

from infovae.config.options import CONF, choice, did_you_mean, is_group, of_no_data_set, options, unknown_key
from infovae.errors import UserError
from infovae.terminal.command import does_several_runs, subcommand
from infovae.terminal.printable import printable

OVERRIDES = "KEY=VALUE, GROUP=OPTION, KEY=[VALUE,VALUE], +KEY=VALUE to add a key, ~KEY to take one away"

SHARED = ("data_module", "examples", "trained")
"""Configs that several commands include."""

SUBJECTS = {"evaluate": "run", "export": "run", "dashboard": "runs", "classifier": "data", "reproduce": "figure"}
"""The key that says what a command is about, which is easily left out."""


def one_line(error: Exception) -> str:
    """Return what went wrong, and what would be accepted where that is known."""
    return printable(str(explained(error)))


def explained(error: Exception) -> UserError:
    """Return an error of any library as one that names the key, as far as its data tell it."""
    cause = error.__cause__
    if isinstance(error, UserError):
        return error
    if isinstance(error, OverrideParseException):
        return _unreadable(str(error.override))
    if isinstance(error, MissingConfigException) and error.missing_cfg_file is not None:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        return unknown_option(group or "--config-name", option, error.options or options(group))
    if isinstance(cause, ConfigAttributeError | ConfigKeyError) and isinstance(cause.parent_node, DictConfig):
        return _unknown_key(str(cause.full_key), cause.parent_node)
    if isinstance(cause, ConfigTypeError):
        key = str(cause.full_key)
        return UserError("invalid", key=key, value=_given(key), accepted="a list, as [VALUE,...]")
    if isinstance(error, ConfigCompositionException) and (there := _already_there(error)):
        return there
    if isinstance(error, ConfigCompositionException | ValueError) and (wrong := _wrong_override()):
        return wrong
    if isinstance(error, ConfigCompositionException) and (found := re.match(r"Could not override '(\w+)'", str(error))):
        return _of_another_command(found[1])
    if isinstance(error, SearchPathException):
        return UserError(str(error), key="--config-dir", accepted="a folder of configs")
    if isinstance(error, ConfigAttributeError | ConfigKeyError) and cause is None:
        return UserError("it was taken away, and is needed", key=str(error.full_key))
    if isinstance(error, InterpolationResolutionError):
        return _unresolved(error)
    if isinstance(error, HydraException | OmegaConfBaseException):
        return UserError(f"{error} {cause}" if cause is not None and str(cause) not in str(error) else str(error))
    if isinstance(error, MemoryError):
        return UserError(f"not enough memory for this command ({error or 'MemoryError'})")
    if isinstance(error, OSError) and error.filename and error.strerror:
        return UserError(f"{error.strerror} (HYDRA_FULL_ERROR=1 shows where)", key=str(error.filename))
    return UserError(f"{type(error).__name__}: {error} (HYDRA_FULL_ERROR=1 shows where)")


def unknown_option(group: str, option: str, names: Sequence[str]) -> UserError:
    """Return the error for an option that a group doesn't have."""
    question = f"{did_you_mean(option, names).capitalize()} ".lstrip()
    return UserError(f"unknown option {group}={option}. {question}Options: {', '.join(names)}")


def _unreadable(override: str) -> UserError:
    key, _, value = override.partition("=")
    subject = SUBJECTS.get(subcommand())
    if value and '"' not in value:
        quoted = f"""'{key}="{value}"' if the value is a text, """
    else:
        quoted = f"{subject}={override}, " if subject and "=" not in override else ""
    return UserError("can't be read", key=override, accepted=f"{quoted}{OVERRIDES}")


def _unknown_key(key: str, node: DictConfig) -> UserError:
    parent = key.rpartition(".")[0]
    if not node and is_group(parent):
        return UserError(f"no option of {parent} is chosen", key=key, value=_given(key), accepted=choice(parent))
    if parent and not node:  # a mapping that is empty until something is added
        added = next((word for word in sys.argv[1:] if word.startswith(key)), f"{key}=VALUE")
        return UserError("the config doesn't have it yet", key=key, value=_given(key), accepted=f"+{added}")
    if parent == "data" and "source" not in node:
        return of_no_data_set(key, _given(key))
    advice = f", or +{key}=VALUE to add it" if _can_be_added(key, node) else ""
    config = OmegaConf.to_container(node._get_root())
    assert isinstance(config, dict)
    return unknown_key(key, _given(key), set(map(str, node)) - {"hydra"}, config, advice)


def _can_be_added(key: str, node: DictConfig) -> bool:
    """Return whether the node names a target that takes the key."""
    from infovae.config.signatures import signature_of  # here: --help answers without waiting for what checks types

    parent, _, name = key.rpartition(".")
    try:
        return "_target_" in node and signature_of(node["_target_"], parent).takes(name)
    except UserError:
        return False


def _overrides() -> Iterator[Override]:
    """Yield the overrides on the command line."""
    parser = OverridesParser.create()
    for argument in sys.argv[1:]:
        try:
            yield from parser.parse_overrides([argument])
        except HydraException:  # a flag
            continue


def _given(key: str) -> Any:
    """Return the value that a key has on the command line; ``...`` if it isn't there."""
    words = [word.lstrip("+~").partition("=") for word in sys.argv[1:]]
    value = next((value for name, sign, value in words if name == key and sign), ...)
    # How a sweep holds a key of a swept option, and how app/cli.py hands a condition to Hydra.
    only = re.fullmatch(r"""choice\((.*)\)|\{value:"?(.*?)"?\}""", str(value))
    return only[1] or only[2] if only else value


def _wrong_override() -> UserError | None:
    """Return the error of an override that Hydra can't compose, if one of the command line is of those."""
    for override in _overrides():
        key, value = override.key_or_group, override.value()
        line = str(override.input_line)
        if override.is_sweep_override():
            if does_several_runs():
                continue
            more = ", or -m for a run of each" if "sweep" in _primary().hydra else ""  # where their folders go
            return UserError(
                "several values", key=line, accepted=f"one, a list as {key}=[{line.partition('=')[2]}]{more}"
            )
        if places := _places_of(key) if override.package is None else []:
            there = [f"{place}={line.partition('=')[2]}" for place in places]
            return UserError("its place is missing", key=line, accepted=", ".join(there))
        if is_group(key.replace("/", ".")) and not override.is_delete() and not isinstance(value, str | list):
            return UserError("not an option", key=line, accepted=", ".join(options(key)))
    return None


def _places_of(group: str) -> list[str]:
    """Return the keys by which a group is chosen that has several places in the config, such as schedule@model.beta."""
    keys = [str(key) for entry in _primary().defaults if isinstance(entry, DictConfig) for key in entry]
    return [key for key in keys if key.startswith(f"{group}@")]


def _primary() -> Any:
    """Return the content of the command's own config file."""
    path = CONF / f"{subcommand()}.yaml"
    return OmegaConf.load(path if path.is_file() else CONF / "config.yaml")


def _of_another_command(group: str) -> UserError:
    """Return the error of a group that the command's config doesn't choose from."""
    line = f"{group}={_given(group)}"
    commands = {path.stem: path for path in sorted(CONF.glob("*.yaml")) if path.stem not in SHARED}
    takes = [{"config": "train"}.get(name, name) for name, path in commands.items() if _chooses(path, group)]
    accepted = ", ".join(f"infovae {name} {line}" for name in takes)
    return UserError(f"infovae {subcommand()} takes no {group}", key=line, accepted=accepted)


def _chooses(path: Path, group: str) -> bool:
    config: Any = OmegaConf.load(path)
    return any(group in entry for entry in config.get("defaults", ()) if isinstance(entry, DictConfig))


def _already_there(error: ConfigCompositionException) -> UserError | None:
    """Return the error of a + before a key that the config has, if that is what Hydra refused."""
    refusals = ("Could not append to config", "Multiple values for")
    # Hydra also looks at the value that is there, which may be an interpolation that isn't known yet.
    if not str(error).startswith(refusals) and not isinstance(error.__cause__, InterpolationResolutionError):
        return None
    added = [word for word in sys.argv[1:] if word.startswith("+") and word[1:].partition("=")[0] in str(error)]
    return UserError("the config has this key", key=added[0], accepted=f"{added[0][1:]}, without +") if added else None


def _unresolved(error: InterpolationResolutionError) -> UserError:
    # What an interpolation on the command line spoils is often another key.
    key = next((word for word in sys.argv[1:] if "${" in word), str(error.full_key))
    why = str(error).partition("\n")[0]
    return UserError(why, key=key, accepted="keys of the config, as --cfg job prints them")
