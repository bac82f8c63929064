"""Where results go: tables as CSV, and marked places of the documentation's pages."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows that have the same columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_between_markers(page: str, name: str, text: str) -> None:
    """Put text between ``<!-- name -->`` and ``<!-- /name -->`` of a page of docs/, which has both."""
    path, start, end = ROOT / "docs" / page, f"<!-- {name} -->", f"<!-- /{name} -->"
    before, rest = path.read_text().split(start)
    path.write_text(f"{before}{start}\n{text.strip()}\n{end}{rest.split(end)[1]}")
