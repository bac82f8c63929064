"""A progress bar."""

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

Item = TypeVar("Item")

_bars: list[Progress] = []
"""The bars on the screen, at most one group of them: a bar inside another's loop is drawn below it."""


def shows_bars() -> bool:
    """Return whether there is a terminal to show a bar on."""
    return Console(stderr=True).is_terminal


def progress(
    items: Iterable[Item],
    description: str | Callable[[Item], str],
    total: float | None = None,
    effort: Callable[[Item], float] = lambda item: 1,
) -> Iterator[Item]:
    """Yield the items, with a bar on standard error that disappears at the end; without one outside a terminal.

    Args:
        items: the items.
        description: what is done to them, or to one of them, shown beside the bar.
        total: the effort of all; how many there are by default.
        effort: how much of the total an item is; the bar estimates the time left by it.
    """
    if not shows_bars():
        yield from items
        return
    if total is None and isinstance(items, Sized):
        total = len(items)
    is_outer = not _bars
    if is_outer:
        _bars.append(Progress(console=Console(stderr=True), transient=True))
        _bars[0].start()
    bars = _bars[0]
    task = bars.add_task(description if isinstance(description, str) else "", total=total)
    try:
        for item in items:
            if not isinstance(description, str):
                bars.update(task, description=description(item))
            yield item
            bars.advance(task, effort(item))
    finally:
        bars.remove_task(task)
        if is_outer:
            bars.stop()
            _bars.clear()
