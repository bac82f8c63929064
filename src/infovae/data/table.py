"""A table of one's own: columns of numbers and of categories."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from jaxtyping import Float, Int64
from pyarrow import csv, feather, parquet
from torch import Tensor

from infovae.data.examples import DataSet, Examples
from infovae.data.splits import hold_out
from infovae.data.values import TableValues
from infovae.errors import ArgumentError, reason_of

SUFFIXES = ".csv, .tsv, .parquet, .arrow, .feather or .npy"
MOST_CATEGORIES = 1000
"""Each category is an entry of x; a column with more is a name or a number of the row, not a category."""

TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_boolean)
NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)


def table(
    path: str,
    columns: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
    label: str | None = None,
    conditions: Sequence[str] = (),
    test_fraction: float = 0.1,
    test_seed: int = 1,
) -> DataSet:
    """Read a table; an example is a row, with an entry for each column of numbers and for each category.

    Columns of text, of truth values, and those in ``categorical`` are categories. An empty field, ``NA``, ``NaN`` or
    ``null`` is missing. Numbers are standardised by the training split.

    Args:
        path: a .csv, .tsv, .parquet, .arrow, .feather or .npy file. An .npy file holds numbers, (rows, columns), whose
            columns are called ``0``, ``1``, ...
        columns: the columns to model; None: all but ``drop``, ``label`` and ``conditions``.
        drop: columns to leave out.
        categorical: columns of whole numbers that are categories.
        label: the column of classes, which the model doesn't see; None: all rows are of one class.
        conditions: columns to give to encoder and decoder, with ``condition=columns``.
        test_fraction: the fraction of rows to hold out for the test split, at random.
        test_seed: of that choice; separate from the run's seed, so that all runs are tested on the same rows.

    Raises:
        ArgumentError: the file can't be read, a column isn't there, or it can't be used.
    """
    read = read_table(path)
    examples, values = table_examples(read, path, columns, drop, categorical, label, conditions)
    return hold_out(examples, test_fraction, test_seed)._replace(values=values)


def table_examples(
    read: pa.Table,
    path: str,
    columns: Sequence[str] | None,
    drop: Sequence[str],
    categorical: Sequence[str],
    label: str | None,
    conditions: Sequence[str],
) -> tuple[Examples, TableValues]:
    """Return the rows of a table, and what their entries are; arguments as for :func:`table`.

    Raises:
        ArgumentError: a column isn't there or can't be used, or the table is empty.
    """
    for name, chosen in (("columns", columns or ()), ("drop", drop), ("categorical", categorical)):
        check_names(name, chosen, read.column_names)
    aside = {*drop, *conditions, *([label] if label else [])}
    used = [name for name in read.column_names if name not in aside] if columns is None else list(columns)
    if both := sorted(aside.intersection(used)):
        raise ArgumentError("columns", both[0], "columns that aren't dropped, the label or a condition", "is both")
    if not used or not read.num_rows:
        why = f"it has {read.num_rows} rows, and {len(used)} columns to model"
        raise ArgumentError("path", path, "a table with rows and columns", why)
    x, values = entries_of(read, used, categorical)
    labels, classes, told = roles(read, label, conditions, categorical)
    return Examples(x, labels, None, None, classes, told), values


def roles(
    read: pa.Table, label: str | None, conditions: Sequence[str], categorical: Sequence[str] = ()
) -> tuple[Int64[Tensor, " n"], tuple[str, ...] | None, Float[Tensor, "n k"] | None]:
    """Return the class of each row, the names of the classes, and the condition columns; None if there are none.

    Raises:
        ArgumentError: a column isn't there, or can't be used.
    """
    check_names("label", [label] if label else [], read.column_names)
    check_names("conditions", conditions, read.column_names)
    labels, classes = classes_of(read.column(label), label) if label else (torch.zeros(read.num_rows).long(), None)
    return labels, classes, entries_of(read, conditions, categorical)[0] if conditions else None


def read_table(path: str) -> pa.Table:
    """Return the content of a table's file.

    Raises:
        ArgumentError: the file is missing, of another kind or damaged.
    """
    file = Path(path)
    readers: dict[str, Any] = {
        ".csv": _read_csv, ".tsv": _read_csv, ".parquet": parquet.read_table, ".arrow": feather.read_table,
        ".feather": feather.read_table, ".npy": _read_npy,
    }  # fmt: skip
    if file.suffix.lower() not in readers:
        raise ArgumentError("path", path, f"files named {SUFFIXES}")
    if not file.is_file():
        raise ArgumentError("path", path, f"a {SUFFIXES} file", "is a folder" if file.is_dir() else "no such file")
    try:
        read: pa.Table = readers[file.suffix.lower()](file)
    except Exception as error:  # damaged bytes can make a reader raise anything
        why = f"can't be read as {file.suffix} ({reason_of(error)})"
        raise ArgumentError("path", path, "a whole file of that kind", why) from error
    names = read.column_names
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ArgumentError("path", path, "columns with names of their own", f"two columns are called {twice[0]!r}")
    return read


def entries_of(read: pa.Table, names: Sequence[str], categorical: Sequence[str]) -> tuple[Tensor, TableValues]:
    """Return columns as numbers, (rows, entries), NaN where missing, and what the entries are.

    Raises:
        ArgumentError: a column holds neither numbers nor categories, or nothing.
    """
    parts: list[np.ndarray] = []
    entries: list[str] = []
    groups: list[tuple[int, int]] = []
    for name in names:
        column = read.column(name).combine_chunks()
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if column.null_count == len(column):
            raise ArgumentError("columns", name, _other(name), "no row has a value")
        kind = column.type
        if name in categorical or any(is_kind(kind) for is_kind in TEXT):
            numbers, found = _one_hot(column, name)
            groups.append((len(entries), len(entries) + len(found)))
            entries += [f"{name}={category}" for category in found]
        elif any(is_kind(kind) for is_kind in NUMBERS):
            numbers = _numbers(column, name)[:, None]
            entries.append(name)
        else:
            raise ArgumentError("columns", name, _other(name), f"it holds {kind}, neither numbers nor categories")
        parts.append(numbers)
    return torch.from_numpy(np.concatenate(parts, axis=1)), TableValues(entries, groups)


def _numbers(column: pa.Array, name: str) -> np.ndarray:
    numbers = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float32)
    if np.isinf(numbers).any():
        why = f"row {int(np.isinf(numbers).argmax())} is infinite, or too large for 32 bits"
        raise ArgumentError("columns", name, _other(name), why)
    return numbers


def _one_hot(column: pa.Array, name: str) -> tuple[np.ndarray, list[str]]:
    text = pc.cast(column, pa.string())
    found = sorted(pc.unique(text.drop_null()).to_pylist(), key=_in_order)
    if len(found) > MOST_CATEGORIES:
        why = f"it has {len(found):,} categories, more than {MOST_CATEGORIES:,}"
        raise ArgumentError("columns", name, _other(name), why)
    chosen = pc.index_in(text, pa.array(found, pa.string())).to_numpy(zero_copy_only=False)
    numbers = np.zeros((len(column), len(found)), np.float32)
    known = ~np.isnan(chosen.astype(np.float64))
    numbers[known, chosen[known].astype(np.int64)] = 1
    numbers[~known] = np.nan
    return numbers, found


def classes_of(column: pa.ChunkedArray, name: str) -> tuple[Int64[Tensor, " n"], tuple[str, ...]]:
    """Return the class of each row, and the names of the classes, numbers by value and before words.

    Raises:
        ArgumentError: a row has none.
    """
    column = column.combine_chunks()
    if column.null_count:
        raise ArgumentError("label", name, "a column with a class in each row", f"{column.null_count} rows have none")
    text = pc.cast(column.dictionary_decode() if pa.types.is_dictionary(column.type) else column, pa.string())
    classes = sorted(pc.unique(text).to_pylist(), key=_in_order)
    numbers = pc.index_in(text, pa.array(classes, pa.string())).to_numpy(zero_copy_only=False)
    return torch.from_numpy(numbers.astype(np.int64)), tuple(classes)


def _in_order(text: str) -> tuple[float, str]:
    """Sort numbers by value, and before words."""
    try:
        return float(text), text
    except ValueError:
        return float("inf"), text


def _other(name: str) -> str:
    return f"columns of numbers or categories; data.source.drop=[{name}] leaves it out"


def check_names(argument: str, chosen: Sequence[str], there: Sequence[str]) -> None:
    """Refuse names of columns that aren't there.

    Raises:
        ArgumentError: names the first.
    """
    for name in chosen:
        if name not in there:
            listed = ", ".join(there[:20]) + (", ..." if len(there) > 20 else "")
            raise ArgumentError(argument, name, listed, "no such column")


def _read_csv(path: Path) -> pa.Table:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        head = file.read(65536)
    outside = re.sub(r'"[^"]*"', "", head.partition("\n")[0])
    delimiter = max("\t,;" if path.suffix.lower() == ".tsv" else ",;\t", key=outside.count)
    commas = delimiter == ";" and re.search(r"\d,\d", head) and not re.search(r"\d\.\d", head)
    return csv.read_csv(
        path,
        parse_options=csv.ParseOptions(delimiter=delimiter),
        convert_options=csv.ConvertOptions(strings_can_be_null=True, decimal_point="," if commas else "."),
    )


def _read_npy(path: Path) -> pa.Table:
    array = np.load(path, allow_pickle=False)
    if array.ndim != 2:
        raise ValueError(f"an array of shape {array.shape}, not (rows, columns)")
    return pa.table({str(number): column for number, column in enumerate(array.T)})
