"""YAML from a stranger, read as plain values or refused."""

from typing import Any

import yaml

DEPTH = 50


def safe_yaml(text: str) -> Any:
    """Return plain values; nothing is instantiated.

    Raises:
        ValueError: see :func:`check_plain`.
    """
    check_plain(text)
    try:
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(str(error)) from error


def check_plain(text: str) -> None:
    """Refuse YAML that no run writes, before any structure is built from it.

    libyaml recurses until the stack ends, and aliases multiply without bound.

    Raises:
        ValueError: the text isn't YAML, has aliases, or is nested too deep.
    """
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise ValueError("it has aliases, which no config written by a run has")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEPTH:
                raise ValueError(f"nested deeper than {DEPTH} levels")
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
