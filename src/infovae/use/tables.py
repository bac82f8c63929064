"""Write a table as CSV, Parquet or NPZ, some rows at a time."""

import csv
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from infovae.runs.files import written_aside

SUFFIXES = (".csv", ".parquet", ".npz")

Rows = Mapping[str, np.ndarray]
"""Columns by name, each of as many rows; a column of vectors has two axes."""

Write = Callable[[Rows], None]


@contextmanager
def table_file(path: Path) -> Iterator[Write]:
    """Yield a function that adds rows to a file, which appears once it is whole. It is never in memory as a whole.

    In ``.csv`` and ``.parquet``, a column of vectors becomes a column for each entry, ``NAME_1``, ``NAME_2``, ...

    Raises:
        OSError: the disk refuses.
    """
    with written_aside(path) as aside, ExitStack() as stack:
        yield {".csv": _csv, ".parquet": _parquet, ".npz": _npz}[path.suffix](aside, stack)


def _csv(path: Path, stack: ExitStack) -> Write:
    file = stack.enter_context(path.open("x", newline="", encoding="utf-8"))
    writer = csv.writer(file)

    def write(rows: Rows) -> None:
        columns = _flat(rows)
        if not file.tell():
            writer.writerow(columns)
        # As text, numbers have the digits that their precision holds; NaN, which is unlike itself, is an empty field.
        texts = (np.where(column == column, column.astype(str), "") for column in columns.values())
        writer.writerows(zip(*(text.tolist() for text in texts), strict=True))

    return write


def _parquet(path: Path, stack: ExitStack) -> Write:
    opened: list[ParquetWriter] = []

    def write(rows: Rows) -> None:
        table = pa.table(_flat(rows))
        if not opened:
            opened.append(stack.enter_context(ParquetWriter(path, table.schema)))
        opened[0].write_table(table)

    return write


def _npz(path: Path, stack: ExitStack) -> Write:
    # Vectors go to a file each; the rest is as small as the names of the files that are encoded.
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=path.parent)))
    vectors: dict[str, tuple[Path, np.dtype, int]] = {}
    others: dict[str, list[np.ndarray]] = {}

    def write(rows: Rows) -> None:
        for name, column in rows.items():
            if column.ndim == 1:
                others.setdefault(name, []).append(column)
                continue
            vectors[name] = folder / name, column.dtype, column.shape[1]
            with vectors[name][0].open("ab") as file:
                column.tofile(file)

    def finish() -> None:
        with zipfile.ZipFile(path, "x") as archive:
            for name, parts in others.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.concatenate(parts), allow_pickle=False)
            for name, (file, dtype, length) in vectors.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    mapped = np.memmap(file, dtype, "r").reshape(-1, length)
                    np.lib.format.write_array(member, mapped, allow_pickle=False)

    stack.callback(finish)
    return write


def _flat(rows: Rows) -> dict[str, np.ndarray]:
    columns: dict[str, np.ndarray] = {}
    for name, column in rows.items():
        if column.ndim == 1:
            columns[name] = column
        else:
            columns |= {f"{name}_{entry + 1}": column[:, entry] for entry in range(column.shape[1])}
    return columns
