"""Print tables that stay whole in any terminal and in a file."""

import math
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from infovae.terminal.printable import printable


def print_table(title: str, table: Table) -> None:
    """Print a table as wide as the terminal, or as wide as it needs where the output is a file.

    Its title stands above it as one line. Inside it, the table's width would break a run's name.
    """
    console = Console(markup=False, emoji=False)
    if not console.is_terminal:
        needed = Measurement.get(console, console.options.update(max_width=1000), table).maximum
        console.width = max(console.width, needed)
    console.print(Text(printable(title), "table.title"), soft_wrap=True)
    console.print(table)


def with_error(value: float, error: Any) -> str:
    """Return a number with its standard error; the number alone if the error is missing or nan."""
    known = isinstance(error, int | float) and not math.isnan(error)
    return f"{value:.4g} ± {error:.2g}" if known else f"{value:.4g}"
