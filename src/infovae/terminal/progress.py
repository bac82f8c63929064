"""A progress bar."""

from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from rich.console import Console
from rich.progress import track

Item = TypeVar("Item")


def progress(items: Iterable[Item], description: str, total: int | None = None) -> Iterator[Item]:
    """Yield the items, with a bar on standard error that disappears at the end; without one outside a terminal.

    Args:
        items: the items.
        description: what is done to them, shown beside the bar.
        total: how many there are; their length by default.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield from items
        return
    if total is None and isinstance(items, Sized):
        total = len(items)
    yield from track(items, description, total=total, console=console, transient=True)
