"""Classes and condition columns of images, from a table beside them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from infovae.data.examples import Examples
from infovae.data.table import roles
from infovae.data.table_file import read_table
from infovae.errors import ArgumentError


def read_labels(path: str, names: np.ndarray, label: str | Sequence[str] | None, conditions: Sequence[str]) -> Examples:
    """Return the classes, further labels and condition columns of images; their x is empty.

    Args:
        path: a table as ``data=table`` reads it, whose first column holds the paths of images below their folder.
        names: those paths, in the order of the images.
        label: the column of classes; None: the second, or, if there are condition columns, none. Of several, the first
            holds the classes, and metrics measure the others too.
        conditions: columns of numbers or categories.

    Raises:
        ArgumentError: the table can't be read, has no such column, or an image has no row or several.
    """
    try:
        read = read_table(path)
    except ArgumentError as error:
        raise ArgumentError("labels", path, error.accepted, error.why) from error
    listed = read.column(0).to_pylist()
    rows = {Path(str(name)).as_posix(): row for row, name in enumerate(listed)}
    if len(rows) < len(listed):
        raise ArgumentError("labels", path, "a row for each image", f"{len(listed) - len(rows)} names come twice")
    if missing := [name for name in names if Path(name).as_posix() not in rows]:
        why = f"{len(missing)} of {len(names)} images have no row, the first is {missing[0]}"
        raise ArgumentError("labels", path, f"their paths in the column {read.column_names[0]}", why)
    chosen = read.take([rows[Path(name).as_posix()] for name in names])
    if label is None and not conditions:
        if read.num_columns < 2:
            raise ArgumentError("labels", path, "a column of paths, and one of classes", "it has one column")
        label = read.column_names[1]
    return roles(chosen, label, conditions)
