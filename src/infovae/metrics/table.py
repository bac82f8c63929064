"""Print measured numbers as a table that says how to read them."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from infovae.metrics.meanings import meaning, of_prior
from infovae.terminal.tables import print_table, with_error

ROOMY = 120
"""Columns of a terminal in which two splits leave room for what each number is."""


def print_measured(title: str, values: Mapping[str, Any]) -> None:
    """Print a row for each number and a column for each split, with standard errors, ideals and directions.

    Args:
        title: of the table.
        values: numbers by ``split/name``, in nats per example where they are losses. Vectors are named alone.
            Without values, nothing is printed.
    """
    if not values:
        return
    splits = list(dict.fromkeys(key.partition("/")[0] for key in values))
    names = dict.fromkeys(key.partition("/")[2] for key in values)
    table = Table(Column("metric", overflow="fold"), *splits, "ideal", "better")
    console = Console()
    explains = len(splits) < 2 or console.width >= ROOMY or not console.is_terminal
    if explains:
        table.add_column("what it is; losses in nats")
    for name in names:
        cells = [_cell(values, f"{split}/{name}") for split in splits]
        if any(cells) and not name.endswith("_standard_error"):
            better, _, about = meaning(name)
            ideal = _ideal(values, splits, name)
            told = [about] if explains else []
            table.add_row(name, *cells, "" if ideal is None else f"{ideal:.4g}", better or "", *told)
    listed = {key.partition("/")[2] for key, value in values.items() if isinstance(value, list)}
    if vectors := [name for name in names if name in listed and "_standard_error" not in name]:
        table.caption = f"vectors are in evaluation.json alone: {', '.join(vectors)}"
    print_table(title, table)


def _ideal(values: Mapping[str, Any], splits: Sequence[str], name: str) -> float | None:
    """Return the value to wish for, which depends on the prior for the covariance of codes."""
    is_other = any(of_prior(f"{split}/log_det_covariance") in values for split in splits)  # than N(0, I)
    usual = None if is_other and name.startswith("covariance_") else meaning(name).ideal
    return next((values[key] for split in splits if (key := of_prior(f"{split}/{name}")) in values), usual)


def _cell(values: Mapping[str, Any], key: str) -> str:
    value, error = values.get(key), values.get(f"{key}_standard_error")
    if not isinstance(value, int | float):
        return ""
    return with_error(value, error)
