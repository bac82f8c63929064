"""What the columns of a table hold, and their rows as numbers."""

import logging
import math
import re
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from infovae.data.stored import StoredExamples
from infovae.data.values import TableValues
from infovae.errors import ArgumentError, listed

log = logging.getLogger(__name__)

MOST_CATEGORIES = 1000
"""Each category is an entry of x; a column with more is a name or a number of the row, not a category."""

TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_boolean)
NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
ENTRY = re.compile(r"(.*?(?<!\\)(?:\\\\)*)=(.*)", re.DOTALL)  # a column's name, escaped, and a category
LARGEST = float(np.finfo(np.float32).max)


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        name: of the column.
        categories: in order, an entry of x for each; None: the column is numbers, one entry.
    """

    name: str
    categories: tuple[str, ...] | None


def scanned(read: pa.Table, names: Sequence[str], categorical: Sequence[str], argument: str) -> list[Column]:
    """Return what columns hold.

    Args:
        read: the table, which may lie in a file: it is read in parts.
        names: of the columns.
        categorical: those of whole numbers that are categories.
        argument: by which the columns were chosen, for an error.

    Raises:
        ArgumentError: a column holds neither numbers nor categories, too large a number, or nothing.
    """

    def refuse(name: str, why: str) -> ArgumentError:
        otherwise = f"; data.source.drop=[{name}] leaves it out" if argument == "columns" else ""
        return ArgumentError(argument, name, f"columns of numbers or categories{otherwise}", why)

    columns = []
    for name in names:
        column = known(read.column(name))
        kind = _kind(column)
        if column.null_count == len(column):
            raise refuse(name, "no row has a value")
        if name in categorical or is_text(kind):
            found = sorted({*_words(pc.unique(column).drop_null()).to_pylist()}, key=_in_order)
            if len(found) > MOST_CATEGORIES:
                raise refuse(name, f"it has {len(found):,} categories, more than {MOST_CATEGORIES:,}")
            if argument == "columns" and len(found) > max(20, (len(column) - column.null_count) // 2):
                why = "most rows have a category of their own in %s, as a name has: data.source.drop=[%s] leaves it out"
                log.warning(why, name, name)
            columns.append(Column(name, tuple(found)))
        elif any(is_kind(kind) for is_kind in NUMBERS):
            if (row := _first_too_large(column)) is not None:
                raise refuse(name, f"row {row} is infinite, or too large for 32 bits")
            columns.append(Column(name, None))
        else:
            raise refuse(name, f"it holds {kind}, neither numbers nor categories")
    return columns


def entries(read: pa.Table, columns: Sequence[Column]) -> Float[Tensor, "n c"]:
    """Return columns as numbers, (rows, entries), NaN where missing; in float64 if some are numbers.

    The data module narrows them once it is known by which statistics they are standardised.
    """
    return torch.cat([_entries(read, column) for column in columns], dim=1)


def entries_as(read: pa.Table, columns: Sequence[Column]) -> Float[Tensor, "n c"]:
    """Return columns as :func:`entries` does, with the categories that another table had.

    Raises:
        ArgumentError: a column isn't there, or holds what that table's didn't.
    """
    for name, words in columns:
        if name not in read.column_names:
            raise ArgumentError("path", ..., "the columns of training", f"it has no column {name}")
        column = known(read.column(name))
        if words is None:
            kind = _kind(column)
            if column.null_count < len(column) and not any(is_kind(kind) for is_kind in NUMBERS):
                raise ArgumentError("path", ..., "numbers there, as in training", f"its column {name} holds {kind}")
            if (row := _first_too_large(column)) is not None:
                why = f"row {row} of its column {name} is infinite, or too large for 32 bits"
                raise ArgumentError("path", ..., "finite numbers, and an empty field where one is missing", why)
        elif new := sorted({*_words(pc.unique(column).drop_null()).to_pylist()}.difference(words), key=_in_order):
            why = f"its column {name} holds {new[0]}, which wasn't there in training"
            raise ArgumentError("path", ..., f"the categories {listed(words)}", why)
    return entries(read, columns)


def values_of(columns: Sequence[Column]) -> TableValues:
    """Return what the entries of columns are."""
    names: list[str] = []
    groups: list[tuple[int, int]] = []
    for name, categories in columns:
        if categories is None:
            names.append(_escaped(name))
        else:
            groups.append((len(names), len(names) + len(categories)))
            names += [f"{_escaped(name)}={category}" for category in categories]
    return TableValues(names, groups)


class TableRows(StoredExamples):
    """Rows of a table that stays in its files, which become numbers when they are indexed.

    Args:
        rows: returns the rows at some positions; picklable.
        n: how many rows there are.
        columns: what to take of them.
    """

    def __init__(self, rows: Callable[[list[int]], pa.Table], n: int, columns: Sequence[Column]) -> None:
        super().__init__(n, (len(values_of(columns).names),), torch.float64)
        self.rows, self.columns = rows, columns

    def read_at(self, positions: Int64[Tensor, " m"]) -> Float64[Tensor, "m k"]:
        return entries(self.rows(positions.tolist()), self.columns)


def columns_of(names: Sequence[str]) -> list[Column]:
    """Return the columns whose entries have these names: the inverse of :func:`values_of`."""
    parts = [found.groups() if (found := ENTRY.fullmatch(entry)) else (entry,) for entry in names]
    return [
        Column(_unescaped(name), tuple(category for _, category in entries) if length > 1 else None)
        for (name, length), entries in groupby(parts, lambda part: (part[0], len(part)))
    ]


def shown(names: Sequence[str]) -> list[str]:
    """Return the names of entries as a user knows them, ``COLUMN`` or ``COLUMN=CATEGORY``."""
    columns = columns_of(names)
    return [name if word is None else f"{name}={word}" for name, known in columns for word in known or (None,)]


def by_column(x: Float[Tensor, "n c"], columns: Sequence[Column], scale: Float[Tensor, " c"]) -> dict[str, np.ndarray]:
    """Return entries as columns by name: of numbers, or of the likeliest category; NaN or an empty word is missing.

    Args:
        x: entries in their own units, with the precision of standardised numbers in float32.
        columns: what they are.
        scale: by which they were standardised, for the digits that they have; 0: it never varied.
    """
    entries, found, start = x.cpu().numpy(), {}, 0
    for name, categories in columns:
        own = entries[:, start : start + len(categories or "1")]
        if categories is None:
            digits = np.char.mod(f"%.{np.finfo(own.dtype).precision + 1}g", own[:, 0]).astype(own.dtype)
            found[name] = digits.round(6 - math.floor(math.log10(scale[start]))) if scale[start] > 0 else digits
        else:
            chosen = np.where(np.isnan(own).any(axis=1), len(categories), own.argmax(axis=1))
            found[name] = np.array([*categories, ""])[chosen]
        start += own.shape[1]
    return found


def classes_of(column: pa.ChunkedArray, name: str) -> tuple[Int64[Tensor, " n"], tuple[str, ...]]:
    """Return the class of each row, and the names of the classes, numbers by value and before words.

    Raises:
        ArgumentError: a row has none.
    """
    column = known(column)
    if column.null_count:
        raise ArgumentError("label", name, "a column with a class in each row", f"{column.null_count} rows have none")
    text = _words(column)
    classes = sorted(pc.unique(text).to_pylist(), key=_in_order)
    numbers = pc.index_in(text, pa.array(classes, pa.string())).to_numpy(zero_copy_only=False)
    return torch.from_numpy(numbers.astype(np.int64)), tuple(classes)


def known(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column in which NaN is missing too, as it is in files that have no other sign for it."""
    if not pa.types.is_floating(column.type):
        return column
    return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)


def is_text(kind: pa.DataType) -> bool:
    """Return whether a column of this type is categories."""
    return any(is_kind(kind) for is_kind in TEXT)


def _entries(read: pa.Table, column: Column) -> Float[Tensor, "n k"]:
    """Return a column's numbers in float64, or an entry of 0 or 1 for each category; NaN where missing."""
    stored = read.column(column.name)
    if column.categories is None:
        return torch.tensor(_numbers(stored))[:, None]
    found = pc.fill_null(pc.index_in(_words(stored), pa.array(column.categories, pa.string())), -1)
    positions = torch.from_numpy(found.to_numpy(zero_copy_only=False).astype(np.int64))
    chosen = torch.zeros(len(positions), len(column.categories))
    chosen[positions >= 0, positions[positions >= 0]] = 1
    chosen[positions < 0] = torch.nan
    return chosen


def _numbers(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    return pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)


def _escaped(name: str) -> str:
    """Write "=" as ``\\=``, and twice each backslash before it or before the end, where a category may follow."""
    return re.sub(r"\\*=|\\+\Z", lambda found: found[0].replace("\\", "\\\\").replace("=", r"\="), name)


def _unescaped(name: str) -> str:
    return re.sub(r"\\+(?==|\Z)", lambda found: found[0][: len(found[0]) // 2], name)


def _first_too_large(column: pa.ChunkedArray) -> int | None:
    start = 0
    for chunk in column.chunks:
        too_large = np.abs(_numbers(chunk)) > LARGEST
        if too_large.any():
            return start + int(too_large.argmax())
        start += len(chunk)
    return None


def _kind(column: pa.ChunkedArray | pa.Array) -> pa.DataType:
    """Return the type of a column's values, also where the file holds them by their number."""
    return column.type.value_type if pa.types.is_dictionary(column.type) else column.type


def _words(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    return pc.cast(pc.cast(column, _kind(column)), pa.string())


def _in_order(text: str) -> tuple[float, str]:
    """Sort numbers by value, and before words."""
    try:
        return float(text), text
    except ValueError:
        return float("inf"), text
