"""YAML from a stranger, read as plain values or refused."""

import re
from collections.abc import Callable
from typing import Any

import yaml

LONGEST = 2**18
"""Bytes of a file. A run's config has a few thousand."""
MOST_NODES = 20_000
DEPTH = 50

UNQUOTED: list[tuple[re.Pattern[str], Callable[[str], Any]]] = [
    (re.compile(r"~|null|Null|NULL|"), lambda text: None),
    (re.compile(r"true|True|TRUE|yes|Yes|YES|on|On|ON"), lambda text: True),
    (re.compile(r"false|False|FALSE|no|No|NO|off|Off|OFF"), lambda text: False),
    (re.compile(r"[-+]?(0|[1-9][0-9_]*)"), lambda text: int(text.replace("_", ""))),
    (
        re.compile(
            r"[-+]?[0-9]+(_[0-9]+)*(\.[0-9_]*([eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)|\.[0-9]+(_[0-9]+)*([eE][-+][0-9]+)?"
        ),
        lambda text: float(text.replace("_", "")),
    ),
    (re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"), lambda text: float(text.replace(".", ""))),
]
"""How an unquoted scalar is read; as text if none matches.

OmegaConf writes and reads these forms. YAML 1.1 also has numbers of base 60 (``1:30``), which take quadratic time, and
dates. A run writes neither.
"""


def safe_yaml(text: str) -> Any:
    """Return the document as mappings, lists, text and numbers; take time linear in its length.

    The values are built here, from the parser's events: no tag chooses a type, so nothing can be instantiated.

    Raises:
        ValueError: no YAML, several documents, too long, aliases, tags, repeated keys, or nested without end.
    """
    if len(text) > LONGEST:  # of characters, which are at least as many bytes
        raise ValueError(f"longer than {LONGEST} bytes")
    root: list[Any] = []
    open_nodes: list[_Node] = [_Node(root)]
    nodes = 0
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise ValueError("it has aliases, which no config written by a run has")
            if isinstance(event, yaml.NodeEvent):
                nodes += 1
                if nodes > MOST_NODES or len(open_nodes) > DEPTH:
                    raise ValueError(f"more than {MOST_NODES} values, or nested deeper than {DEPTH} levels")
                tag = getattr(event, "tag", None)
                if tag is not None:
                    raise ValueError(f"it has tags ({tag:.40}), which no config written by a run has")
            if isinstance(event, yaml.ScalarEvent):
                open_nodes[-1].add(_scalar(event))
            elif isinstance(event, yaml.CollectionStartEvent):
                open_nodes.append(_Node({} if isinstance(event, yaml.MappingStartEvent) else []))
            elif isinstance(event, yaml.CollectionEndEvent):
                content = open_nodes.pop().content
                open_nodes[-1].add(content)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    if len(root) > 1:
        raise ValueError("several documents")
    return root[0] if root else None


class _Node:
    """A mapping or list that is being read."""

    def __init__(self, content: dict[Any, Any] | list[Any]) -> None:
        self.content = content
        self.keys: list[Any] = []  # of a mapping: the key whose value comes next, if any

    def add(self, value: Any) -> None:
        if isinstance(self.content, list):
            self.content.append(value)
        elif self.keys:
            self.content[self.keys.pop()] = value
        elif isinstance(value, dict | list):
            raise ValueError("a key that is a mapping or a list")
        elif value in self.content:
            raise ValueError(f"the key {value!r:.40} twice")
        else:
            self.keys.append(value)


def _scalar(event: yaml.ScalarEvent) -> Any:
    if event.implicit[0]:  # unquoted
        for pattern, read in UNQUOTED:
            if pattern.fullmatch(event.value):
                return read(event.value)
    return event.value
