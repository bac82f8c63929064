"""Read files that may be damaged, half-written or hostile, and say what is wrong with them."""

import csv
import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from infovae.runs.safe_yaml import safe_yaml

LONGEST = 2**22
"""Bytes of a file that is read whole; YAML has a lower limit of its own."""
MOST_BYTES, LONGEST_LINE, MOST_COLUMNS = 2**28, 2**16, 1000
"""Of a table, which is read line by line."""
SECONDS = 10.0
"""Of CPU time that a table may take: one run must not keep all others waiting."""


Row = list[float | None]


class UnreadableError(Exception):
    """One line that names the file and what is wrong with it."""


def inside(folder: Path, name: str) -> Path | None:
    """Return the path of a regular file; None if it doesn't exist.

    Raises:
        UnreadableError: it isn't a regular file, or is a link out of the folder.
    """
    path = folder / name
    with _told(name):
        if not path.exists():
            return None
        if not path.resolve().is_relative_to(folder.resolve()):
            raise UnreadableError(f"{name}: a link out of the run folder, not followed")
        if not path.is_file():
            raise UnreadableError(f"{name}: not a file")
    return path


def read_bytes(folder: Path, name: str, most: int) -> bytes | None:
    """Return a file's content; None if it doesn't exist.

    Raises:
        UnreadableError: it can't be read, or is longer than ``most`` bytes.
    """
    path = inside(folder, name)
    if path is None:
        return None
    with _told(name), path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise UnreadableError(f"{name}: longer than {most} bytes")
    return content


def read_mapping(folder: Path, name: str) -> dict[Any, Any] | None:
    """Return a mapping of plain values from a .json or .yaml file; None if the file doesn't exist.

    Nothing is instantiated or interpolated.

    Raises:
        UnreadableError: it isn't one.
    """
    text = read_bytes(folder, name, LONGEST)
    if text is None:
        return None
    parse, kind = (json.loads, "JSON") if name.endswith(".json") else (safe_yaml, "YAML")
    try:
        with _told(name):
            content = parse(text.decode())
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"{name}: not valid {kind} ({_first_line(error)})") from error
    if not isinstance(content, dict):
        raise UnreadableError(f"{name}: not a mapping")
    return content


class Rows(NamedTuple):
    """A CSV file of numbers; None stands for an empty cell.

    Attributes:
        columns: some of the rows, evenly spaced, the first and the last among them, as columns by name.
        final: the row of the epoch that was asked for, by name, else the last row.
        problems: what couldn't be read.
    """

    columns: dict[str, list[float | None]]
    final: dict[str, float | None]
    problems: list[str]


def read_rows(folder: Path, name: str, most: int, epoch: float | None = None, growing: bool = False) -> Rows:
    """Read a CSV file of numbers, in bounded time and memory.

    Args:
        folder: of the run.
        name: of the file.
        most: of longer files, between ``most`` and twice as many rows are kept.
        epoch: which row to return as ``final``, by its column ``epoch``.
        growing: whether a last line without its end is being written just now, and no problem.

    Raises:
        UnreadableError: not even the header can be read, or a limit is exceeded.
    """
    path = inside(folder, name)
    if path is None:
        return Rows({}, {}, [])
    rows: list[Row] = []
    last, final = None, None
    count, left_out, stride, end = 0, 0, 1, time.thread_time() + SECONDS
    with _told(name), path.open("rb") as file:
        first = _line(file, name)
        header = _header(first, name)
        position = header.index("epoch") if epoch is not None and "epoch" in header else None
        line = first
        while line.endswith(b"\n") and (line := _line(file, name)):
            if file.tell() > MOST_BYTES or (count % 1000 == 0 and time.thread_time() > end):
                raise UnreadableError(f"{name}: longer than {MOST_BYTES} bytes, or than {SECONDS:g} s take to read")
            row = _numbers(line, len(header)) if line.endswith(b"\n") else None
            if row is None:
                left_out += line.endswith(b"\n") or not growing
                continue
            if count % stride == 0:
                rows.append(row)
            if len(rows) == 2 * most:
                rows, stride = rows[::2], 2 * stride
            if position is not None and final is None and row[position] == epoch:
                final = row
            last, count = row, count + 1
    if last is not None and rows[-1] is not last:
        rows.append(last)
    if first and not first.endswith(b"\n"):
        left_out += not growing
    columns = {column: [row[place] for row in rows] for place, column in enumerate(header)}
    problems = [f"{name}: {left_out} unreadable row(s) left out"] if left_out else []
    return Rows(columns, dict(zip(header, final or last or [], strict=False)), problems)


@contextmanager
def _told(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnreadableError(f"{name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{name}: not UTF-8 (byte {error.start})") from error


def _line(file: BinaryIO, name: str) -> bytes:
    line = file.readline(LONGEST_LINE + 1)
    if len(line) > LONGEST_LINE:
        raise UnreadableError(f"{name}: a line is longer than {LONGEST_LINE} bytes")
    return line


def _header(line: bytes, name: str) -> list[str]:
    try:
        header = next(csv.reader([line.decode().rstrip("\r\n")]), [])
    except csv.Error as error:
        raise UnreadableError(f"{name}: not valid CSV ({_first_line(error)})") from error
    if len(set(header)) != len(header) or not all(header):
        raise UnreadableError(f"{name}: its header has empty or repeated names")
    if len(header) > MOST_COLUMNS:
        raise UnreadableError(f"{name}: more than {MOST_COLUMNS} columns")
    return header


def _numbers(line: bytes, count: int) -> Row | None:
    cells = line.rstrip(b"\r\n").split(b",")
    if len(cells) != count:
        return None
    try:
        return [float(cell) if cell else None for cell in cells]
    except ValueError:
        return None


def mapping(value: Any) -> dict[Any, Any]:
    """Return ``value`` if it is a dict, else an empty dict."""
    return value if isinstance(value, dict) else {}


def number(value: Any) -> float | None:
    """Return a number, or None; strict JSON has strings for infinities and NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and value not in ("nan", "inf", "-inf"):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def strict(value: float | None) -> float | str | None:
    """Return what strict JSON has for a number: a string for infinities and NaN."""
    return value if value is None or math.isfinite(value) else str(value)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
