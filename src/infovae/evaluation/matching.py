"""Hold other data against those a model was trained on: its columns, categories, classes, and statistics."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.conditions.condition import Condition
from infovae.conditions.labels import Labels
from infovae.data.columns import columns_of
from infovae.data.description import Description
from infovae.data.examples import Examples
from infovae.data.module import DataModule
from infovae.data.values import ROWS_AT_A_TIME, TableValues
from infovae.errors import ArgumentError, listed


def match_examples(data: DataModule, trained: Description, key: str, value: Any = ...) -> None:
    """Let a data module give examples as a model saw them: its columns in their order, and its statistics.

    A table may lack some categories. ``key`` and ``value`` say how the data were given, for an error.

    Raises:
        ArgumentError: a column or a category is missing or new, or examples are of another shape or kind.
    """
    now, then = data.values, trained.values
    if isinstance(now, TableValues) and isinstance(then, TableValues) and now.names != then.names:
        for name, part in data.splits.items():
            if not isinstance(part.x, Tensor):
                accepted = "those of training, where a table is streamed"
                raise ArgumentError(key, value, accepted, "its columns or categories are others")
            data.splits[name] = part._replace(x=_columns(part.x, now.names, then.names, key))
    here, there = ("x".join(map(str, shape)) for shape in (data.shape, trained.shape))
    if (here, now.name) != (there, then.name):
        what = ("", "") if now.name == then.name else (f" of {now.name}", f" of {then.name}")
        accepted = f"those of {there}{what[1]}, as the model was trained on"
        raise ArgumentError(key, value, accepted, f"its examples are of {here}{what[0]}")
    if getattr(now, "vocabulary", 0) > (known := getattr(then, "vocabulary", 0)):
        why = f"it has tokens above {known - 1}, the largest that the model was trained on"
        raise ArgumentError(key, value, f"tokens from 0 to {known - 1}", why)
    if now.has_missing and not then.has_missing:
        for part in sorted(data.splits.values(), key=lambda part: -len(part.x)):  # all of a user's own file is in one
            require_whole(part, key, value)
    data.values = then


def require_whole(part: Examples, key: str, value: Any) -> None:
    """Raise an ArgumentError that counts the examples with a missing entry, if there are any."""
    n = len(part.x)
    blocks = torch.arange(n).split(ROWS_AT_A_TIME)
    lacking = torch.cat([rows[part.x[rows].flatten(1).isnan().any(dim=1)] for rows in blocks])
    if len(lacking):
        first = lacking[0].item() if part.names is None else part.names[lacking[0]]
        why = f"entries are missing in {len(lacking)} of {n} examples, the first of them {first}"
        raise ArgumentError(key, value, "whole examples, as the model was trained on", why)


def match_conditions(data: DataModule, trained: Description, condition: Condition | None, key: str) -> None:
    """Let a data module give classes and condition columns as a model was given them, if it is conditional.

    A class or a condition column that is missing or new is an ArgumentError.
    """
    if isinstance(condition, Labels):
        _match_classes(data, trained.class_names, key)
    elif condition is not None:
        _match_columns(data, trained, key)


def has_conditions(data: DataModule, trained: Description, condition: Condition | None) -> bool:
    """Return whether matched data give each example a condition that the model knows."""
    if isinstance(condition, Labels):
        return data.class_names == trained.class_names
    return condition is not None and data.conditions is trained.conditions


def _match_classes(data: DataModule, known: tuple[str, ...], key: str) -> None:
    if data.splits["train"].classes is None and len(data.class_names) == 1:
        raise ArgumentError(key, ..., "data with classes", "its examples have no classes")
    if data.class_names == known:
        return
    if new := [name for name in data.class_names if name not in known]:
        raise ArgumentError(
            key, ..., f"the classes {listed(known)}", f"the model was trained without the class {new[0]}"
        )
    numbers = torch.tensor([known.index(name) for name in data.class_names])
    data.splits = {name: part._replace(labels=numbers[part.labels]) for name, part in data.splits.items()}
    data.class_names = known
    data.classes = torch.tensor([int(name) if name.isdecimal() else number for number, name in enumerate(known)])


def _match_columns(data: DataModule, trained: Description, key: str) -> None:
    now, then = data.conditions, trained.conditions
    assert then is not None
    if now is None or (len(now.mean) != len(then.mean) and not (now.names and then.names)):
        there = f"{len(then.mean)} condition columns{': ' * bool(then.names)}{', '.join(then.names)}"
        raise ArgumentError(key, ..., there, f"its examples have {'none' if now is None else len(now.mean)}")

    def matched(part: Examples, told: Float[Tensor, "n k"] | None) -> Examples:
        assert now is not None
        assert told is not None
        told = _columns(told, now.names, then.names, key) if now.names and then.names else told
        return part._replace(conditions=then.to_model(told))

    # What is the same stays so to the last bit; older checkpoints hold statistics in float32.
    same = all(torch.equal(getattr(now, entry).float(), getattr(then, entry).float()) for entry in ("mean", "scale"))
    if not same or now.names != then.names:
        data.splits = {name: matched(part, data.told[name]) for name, part in data.splits.items()}
    data.conditions = then


def _columns(x: Float[Tensor, "n k"], now: Sequence[str], then: Sequence[str], key: str) -> Float[Tensor, "n m"]:
    """Return the entries ``then`` of x, whose entries are ``now``; a category that isn't there is 0 in all rows.

    Raises:
        ArgumentError: a column or category is new, or a column is missing.
    """
    there, known = dict(columns_of(now)), dict(columns_of(then))
    for name, categories in there.items():
        if name not in known:
            accepted = f"the columns of training; data.source.drop=[{name}] leaves it out"
            raise ArgumentError(key, ..., accepted, f"its column {name} wasn't there in training")
        trained = known[name]
        if (categories is None) != (trained is None):
            kinds = ("numbers", "categories") if categories is None else ("categories", "numbers")
            why = f"its column {name} holds {kinds[0]}, and held {kinds[1]} in training"
            raise ArgumentError(key, ..., "columns of the same kind, by data.source.categorical", why)
        if new := [category for category in categories or () if category not in (trained or ())]:
            why = f"its column {name} holds {new[0]}, which wasn't there in training"
            raise ArgumentError(key, ..., f"the categories {listed(trained or ())}", why)
    parts = dict(zip(there, x.split([len(categories or "1") for categories in there.values()], dim=1), strict=True))
    entries = []
    for name, trained in known.items():
        if name not in there:
            raise ArgumentError(key, ..., "the columns of training", f"it has no column {name}")
        place = {category: number for number, category in enumerate(there[name] or ())}
        # 0 times an entry of the same column is NaN where that is missing.
        of_categories = [parts[name][:, place.get(word, 0)] * (word in place) for word in trained or ()]
        entries += [parts[name][:, 0]] if trained is None else of_categories
    return torch.stack(entries, dim=1)
