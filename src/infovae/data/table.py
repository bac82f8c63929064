"""A table of one's own: columns of numbers and of categories."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import torch

from infovae.data.columns import Column, classes_of, entries, is_text, scanned, values_of
from infovae.data.examples import DataSet, Examples
from infovae.data.memory import check_fits
from infovae.data.splits import hold_out
from infovae.data.table_file import read_table
from infovae.errors import ArgumentError, listed


class ChosenColumns(NamedTuple):
    """Columns of a table by their roles; see :func:`table`."""

    columns: Sequence[str] | None
    drop: Sequence[str]
    categorical: Sequence[str]
    label: str | Sequence[str] | None
    conditions: Sequence[str]


def table(
    path: str,
    columns: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
    label: str | Sequence[str] | None = None,
    conditions: Sequence[str] = (),
    delimiter: str | None = None,
    encoding: str = "utf-8",
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
        label: the column of classes, which the model doesn't see; None: all rows are of one class. Of several, the
            first holds the classes, and metrics measure the others too.
        conditions: columns to give to encoder and decoder, with ``condition=columns``.
        delimiter: of a .csv or .tsv file; see :func:`infovae.data.table_file.read_table`.
        encoding: likewise.
        test_fraction: the fraction of rows to hold out for the test split, at random.
        test_seed: of that choice; separate from the run's seed, so that all runs are tested on the same rows.

    Raises:
        ArgumentError: the file can't be read, a column isn't there, or it can't be used.
    """
    read = read_table(path, delimiter, encoding)
    of_text = delimiter is None and Path(path).suffix.lower() in (".csv", ".tsv")
    if of_text and read.num_columns == 1 and is_text(read.column(0).type):
        accepted = "a table with several columns; data.source.delimiter=CHARACTER says what separates them"
        raise ArgumentError("path", path, accepted, f"all of it is one column of text, {read.column_names[0]!r}")
    chosen = ChosenColumns(columns, drop, categorical, label, conditions)
    found = modelled(read, path, chosen)
    values = values_of(found)
    check_fits("path", path, 8 * read.num_rows * len(values.names), ", or fewer columns")
    examples = roles(read, label, conditions, categorical)._replace(x=entries(read, found))
    return hold_out(examples, test_fraction, test_seed)._replace(values=values)


def modelled(read: pa.Table, path: str, chosen: ChosenColumns) -> list[Column]:
    """Return the columns to model, with what is in them.

    Raises:
        ArgumentError: a column isn't there, can't be used or has two roles, or the table is empty.
    """
    columns, drop, categorical, label, conditions = chosen
    for argument, names in (("columns", columns or ()), ("drop", drop), ("categorical", categorical)):
        check_names(argument, names, read.column_names)
    aside = {*drop, *conditions, *names_in(label)}
    used = [name for name in read.column_names if name not in aside] if columns is None else list(columns)
    if both := sorted(aside.intersection(used)):
        raise ArgumentError("columns", both[0], "columns that aren't dropped, the label or a condition", "is both")
    if not used or not read.num_rows:
        why = f"it has {read.num_rows} rows, and {len(used)} columns to model"
        raise ArgumentError("path", path, "a table with rows and columns", why)
    return scanned(read, used, categorical, "columns")


def roles(
    read: pa.Table,
    label: str | Sequence[str] | None,
    conditions: Sequence[str] = (),
    categorical: Sequence[str] = (),
) -> Examples:
    """Return the classes, further labels and condition columns of the rows; their x is empty.

    Raises:
        ArgumentError: a column isn't there, can't be used, or has two roles.
    """
    labels = names_in(label)
    check_names("label", labels, read.column_names)
    check_names("conditions", conditions, read.column_names)
    if both := sorted(set(labels).intersection(conditions)):
        accepted = "one of the two; condition=labels conditions on the label"
        raise ArgumentError("conditions", both[0], accepted, "is the label too")
    found = [classes_of(read.column(name), name) for name in labels]
    numbers, classes = found[0] if found else (torch.zeros(read.num_rows, dtype=torch.int64), None)
    examples = Examples(torch.empty(read.num_rows, 0), numbers, classes=classes)
    if len(found) > 1:
        factors = torch.stack([numbers for numbers, _ in found], dim=1)
        examples = examples._replace(factors=factors, factor_names=tuple(labels))
    if conditions:
        told = scanned(read, conditions, categorical, "conditions")
        names = tuple(values_of(told).names)
        examples = examples._replace(conditions=entries(read, told), condition_names=names)
    return examples


def check_names(argument: str, chosen: Sequence[str], there: Sequence[str]) -> None:
    """Refuse names of columns that aren't there, or come twice.

    Raises:
        ArgumentError: names the first.
    """
    for name, times in Counter(chosen).items():
        if name not in there:
            raise ArgumentError(argument, name, listed(there), "no such column")
        if times > 1:
            raise ArgumentError(argument, name, "each column once", f"named {times} times")


def names_in(label: str | Sequence[str] | None) -> list[str]:
    """Return the columns of labels that a setting names."""
    return [label] if isinstance(label, str) else list(label or ())
