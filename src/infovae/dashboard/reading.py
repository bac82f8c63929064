"""Files that may be damaged, half-written or hostile: what can be read of them, and what is wrong with the rest."""

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infovae.runs.safe_yaml import safe_yaml

LIMITS = {"config.yaml": 2**20, ".hydra/hydra.yaml": 2**20, "metrics.csv": 2**28, "summary.json": 2**22}
DEFAULT_LIMIT = 2**22


class UnreadableError(Exception):
    """One line that names the file and what is wrong with it."""


def inside(folder: Path, name: str) -> Path | None:
    """The regular file of that name; None where there is none.

    Raises:
        UnreadableError: it is no regular file, or a link out of the folder.
    """
    path = folder / name
    try:
        if not path.exists():
            return None
        if not path.resolve().is_relative_to(folder.resolve()):
            raise UnreadableError(f"{name}: a link out of the run folder, not followed")
        if not path.is_file():
            raise UnreadableError(f"{name}: not a file")
    except OSError as error:
        raise UnreadableError(f"{name}: {error.strerror}") from error
    return path


def read_text(folder: Path, name: str) -> str | None:
    """A file's text; None where there is no such file.

    Raises:
        UnreadableError: it can't be read, is too long, or isn't UTF-8.
    """
    path = inside(folder, name)
    if path is None:
        return None
    limit = LIMITS.get(name, DEFAULT_LIMIT)
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise UnreadableError(f"{name}: longer than {limit} bytes")
        return content.decode()
    except OSError as error:
        raise UnreadableError(f"{name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{name}: not UTF-8 (byte {error.start})") from error


def read_yaml(folder: Path, name: str) -> dict[Any, Any] | None:
    """A YAML mapping of plain values; nothing is instantiated, nothing interpolated.

    Raises:
        UnreadableError: it isn't one.
    """
    return _read_mapping(folder, name, safe_yaml, "YAML")


def read_json(folder: Path, name: str) -> dict[str, Any] | None:
    """A JSON object.

    Raises:
        UnreadableError: it isn't one.
    """
    return _read_mapping(folder, name, json.loads, "JSON")


def _read_mapping(folder: Path, name: str, parse: Callable[[str], Any], kind: str) -> dict[Any, Any] | None:
    text = read_text(folder, name)
    if text is None:
        return None
    try:
        content = parse(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"{name}: not valid {kind} ({_first_line(error)})") from error
    if not isinstance(content, dict):
        raise UnreadableError(f"{name}: not a mapping")
    return content


def read_rows(folder: Path, name: str) -> tuple[dict[str, list[float | None]], int, bool]:
    """The columns of a CSV file of numbers, by name; None stands for an empty cell.

    Returns:
        The columns, the number of rows left out because they can't be read, and whether the last of all lines was left
        out because it isn't complete yet.

    Raises:
        UnreadableError: not even the header can be read.
    """
    text = read_text(folder, name)
    if not text:
        return {}, 0, False
    first, *lines, rest = text.split("\n") if "\n" in text else (text, text)
    try:
        header = next(csv.reader([first]), [])
    except csv.Error as error:
        raise UnreadableError(f"{name}: not valid CSV ({_first_line(error)})") from error
    if len(set(header)) != len(header) or not all(header):
        raise UnreadableError(f"{name}: its header has empty or repeated names")
    rows = [row for line in lines if (row := _numbers(line, len(header))) is not None]
    columns = {column: [row[position] for row in rows] for position, column in enumerate(header)}
    return columns, len(lines) - len(rows), bool(rest)


def _numbers(line: str, count: int) -> list[float | None] | None:
    cells = line.rstrip("\r").split(",")
    if len(cells) != count:
        return None
    try:
        return [float(cell) if cell else None for cell in cells]
    except ValueError:
        return None


def mapping(value: Any) -> dict[Any, Any]:
    """What is no mapping is an empty one."""
    return value if isinstance(value, dict) else {}


def number(value: Any) -> float | None:
    """A number, also one of the strings that stand for infinities and NaN in strict JSON; else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and value not in ("nan", "inf", "-inf"):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def strict(value: float | None) -> float | str | None:
    """For JSON, which has no infinities and no NaN."""
    return value if value is None or math.isfinite(value) else str(value)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
