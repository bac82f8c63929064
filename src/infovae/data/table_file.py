"""Read the file of a table, of any kind."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, feather, parquet

from infovae.errors import ArgumentError, reason_of

SUFFIXES = ".csv, .tsv, .parquet, .arrow, .feather or .npy"

DELIMITERS = {"tab": "\t", "space": " "}
"""Those that a shell makes hard to type, by name."""

WITH_COMMAS = r"^-?\d*,?\d+([eE][-+]?\d+)?$"
OF_THOUSANDS = r"^-?\d{1,3}(,\d{3})*$"
WITH_EITHER = r"^-?\d+([.,]\d+)?$|^-?\d{1,3}([.,]\d{3})*([.,]\d+)?$"


def read_table(path: str, delimiter: str | None = None, encoding: str = "utf-8") -> pa.Table:
    """Return the content of a table's file.

    Args:
        path: the file.
        delimiter: what separates the columns of a .csv or .tsv file: a character, ``tab`` or ``space``; None: the one
            among comma, semicolon, tab and bar that is most frequent in the first line.
        encoding: of its text, by a name that Python knows.

    Raises:
        ArgumentError: the file is missing, of another kind or damaged, or its text isn't in this encoding.
    """
    file = Path(path)
    readers: dict[str, Any] = {
        ".parquet": parquet.read_table, ".arrow": feather.read_table, ".feather": feather.read_table, ".npy": _read_npy
    }  # fmt: skip
    suffix = file.suffix.lower()
    if suffix not in (".csv", ".tsv", *readers):
        raise ArgumentError("path", path, f"files named {SUFFIXES}")
    if not file.is_file():
        raise ArgumentError("path", path, f"a {SUFFIXES} file", "is a folder" if file.is_dir() else "no such file")
    try:
        read: pa.Table = readers[suffix](file) if suffix in readers else _read_text(file, delimiter, encoding)
    except ArgumentError:
        raise
    except Exception as error:  # damaged bytes can make a reader raise anything
        why = f"can't be read as {file.suffix} ({reason_of(error)})"
        raise ArgumentError("path", path, "a whole file of that kind", why) from error
    names = read.column_names
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ArgumentError("path", path, "columns with names of their own", f"two columns are called {twice[0]!r}")
    return read


def _read_text(path: Path, delimiter: str | None, encoding: str) -> pa.Table:
    with path.open("rb") as file:
        other = "utf-16" if file.read(2) in (b"\xff\xfe", b"\xfe\xff") else "latin-1"
    accepted = f"{encoding}, as iconv -f {other} -t {encoding} writes it, or data=table data.source.encoding={other}"
    refusal = ArgumentError("path", path, accepted, f"its text isn't {encoding}")
    try:
        with path.open(encoding="utf-8-sig" if encoding == "utf-8" else encoding) as text:
            head = text.read(65536)
        read = _read_csv(path, head, delimiter, encoding)
    except LookupError as error:
        raise ArgumentError("encoding", encoding, "names that Python knows, as utf-8, latin-1 or utf-16") from error
    except (UnicodeError, pa.ArrowInvalid) as error:
        if isinstance(error, UnicodeError) or "UTF8" in str(error):
            raise refusal from error
        raise
    if any(pa.types.is_binary(kind) for kind in read.schema.types):  # what pyarrow makes of other text
        raise refusal
    return read


def _read_csv(path: Path, head: str, delimiter: str | None, encoding: str) -> pa.Table:
    first = re.sub(r'"[^"]*"', "", head.partition("\n")[0])
    sniffed = max("\t,;|" if path.suffix.lower() == ".tsv" else ",;\t|", key=first.count)
    chosen = sniffed if delimiter is None else DELIMITERS.get(delimiter, delimiter)
    if len(chosen) != 1 or not chosen.isascii() or chosen in '\r\n"':
        raise ArgumentError("delimiter", delimiter, "null, one character, tab or space")
    if chosen not in first and sniffed in first:
        why = f"the first line has none, and {first.count(sniffed)} of {sniffed!r}"
        raise ArgumentError("delimiter", delimiter, "null, or what separates the columns", why)
    read = csv.read_csv(
        path,
        read_options=csv.ReadOptions(encoding=encoding),
        parse_options=csv.ParseOptions(delimiter=chosen),
        convert_options=csv.ConvertOptions(strings_can_be_null=True),
    )
    return read if chosen == "," else _with_decimal_commas(read, path, chosen)


def _with_decimal_commas(read: pa.Table, path: Path, chosen: str) -> pa.Table:
    """Return a table in which columns of text that are numbers with decimal commas are numbers.

    Raises:
        ArgumentError: other numbers have points, for decimals or thousands, which would be read as decimals.
    """
    converted = {}
    for number, name in enumerate(read.column_names):
        column = read.column(number)
        if not pa.types.is_string(column.type) or not _matches(column, ",").any():
            continue
        text = pc.utf8_trim_whitespace(column.drop_null())
        if chosen != ";" and _matches(text, OF_THOUSANDS).all():
            raise _mixed(path, f"the commas of column {name} may stand between thousands")
        if _matches(text, WITH_COMMAS).all():
            trimmed = pc.utf8_trim_whitespace(column)
            converted[number] = pc.cast(pc.replace_substring(trimmed, ",", "."), pa.float64())
        elif _matches(text, WITH_EITHER).all():
            raise _mixed(path, f"the column {name} has both")
    points = [field.name for field in read.schema if pa.types.is_floating(field.type)]
    if converted and points:
        raise _mixed(path, f"the column {read.column_names[min(converted)]} has commas, and {points[0]} points")
    for number, column in converted.items():
        read = read.set_column(number, read.column_names[number], column)
    return read


def _matches(text: pa.ChunkedArray, pattern: str) -> np.ndarray:
    return pc.match_substring_regex(text.drop_null(), pattern).to_numpy(zero_copy_only=False)


def _mixed(path: Path, why: str) -> ArgumentError:
    return ArgumentError("path", str(path), "numbers with one decimal sign, and none between thousands", why)


def _read_npy(path: Path) -> pa.Table:
    array = np.load(path, allow_pickle=False)
    if array.ndim != 2:
        raise ValueError(f"an array of shape {array.shape}, not (rows, columns)")
    return pa.table({str(number): column for number, column in enumerate(array.T)})
