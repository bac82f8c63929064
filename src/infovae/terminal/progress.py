"""A bar for what takes more than a moment."""

from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from rich.console import Console
from rich.progress import track

Item = TypeVar("Item")


def progress(items: Iterable[Item], description: str, total: int | None = None) -> Iterator[Item]:
    """The items, with a bar on a terminal's standard error that leaves nothing behind.

    Args:
        items: what is gone through.
        description: of what is done to them.
        total: how many there are; their own length by default.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield from items
        return
    if total is None and isinstance(items, Sized):
        total = len(items)
    yield from track(items, description, total=total, console=console, transient=True)
