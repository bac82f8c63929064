"""Tables that are whole wherever they are printed."""

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text


def print_table(title: str, table: Table) -> None:
    """Print a table as wide as the terminal is, and where there is none, in a file say, as wide as it needs.

    Args:
        title: printed above it as one line, since a table would break a run's name in mid-word at its own width.
        table: without a title of its own.
    """
    console = Console()
    if not console.is_terminal:
        console.width = max(
            console.width, Measurement.get(console, console.options.update(max_width=1000), table).maximum
        )
    console.print(Text(title, "table.title"), soft_wrap=True)
    console.print(table)
