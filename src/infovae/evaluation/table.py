"""Print what was measured as a table."""

from rich.table import Column, Table

from infovae.evaluation.measure import Measured
from infovae.terminal.tables import print_table


def print_measured(name: str, measured: Measured) -> None:
    """Print a row for each number and a column for each split, with standard errors beside their numbers."""
    splits = list(dict.fromkeys(key.partition("/")[0] for key in measured.values))
    names = dict.fromkeys(key.partition("/")[2] for key in measured.values)
    table = Table(Column("metric", overflow="fold"), *splits)
    for entry in names:
        if not entry.endswith("_standard_error"):
            cells = [_cell(measured, f"{split}/{entry}") for split in splits]
            if any(cells):
                table.add_row(entry, *cells)
    print_table(name, table)


def _cell(measured: Measured, key: str) -> str:
    value, error = measured.values.get(key), measured.values.get(f"{key}_standard_error")
    if not isinstance(value, int | float):
        return ""  # absent, or a vector: evaluation.json holds those
    return f"{value:.4g}" if not isinstance(error, int | float) else f"{value:.4g} ± {error:.2g}"
