"""Find the run folders that patterns name."""

import glob
import os
import re
from collections.abc import Iterable
from pathlib import Path

from infovae.errors import UserError
from infovae.runs.find import runs_below


def check_patterns(patterns: Iterable[str]) -> None:
    """Refuse patterns that match no folder.

    Raises:
        UserError: names the pattern.
    """
    for pattern in patterns:
        if not _roots(pattern):
            raise UserError(f"runs={pattern}: no such folder; accepted: run folders, folders of runs, and globs")


def find_runs(patterns: Iterable[str]) -> list[Path]:
    """Return every run folder at or below a match of the patterns, each once, in order of name."""
    found = {folder: None for pattern in patterns for root in _roots(pattern) for folder in runs_below(root)}
    return sorted({folder.resolve(): folder for folder in reversed(found)}.values(), key=_natural)


def _natural(folder: Path) -> list[tuple[int, str]]:
    """Return a sort key by which job 10 comes after job 9."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", str(folder))]


def _roots(pattern: str) -> list[Path]:
    exact = Path(pattern).expanduser()
    if exact.is_dir():
        return [exact]  # even if its name has brackets
    return [Path(match) for match in sorted(glob.glob(str(exact), recursive=True)) if os.path.isdir(match)]
