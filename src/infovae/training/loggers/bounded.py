"""Work that is waited for, but not for ever."""

import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def bounded(work: Callable[[], Result], seconds: float) -> Result:
    """The result of work that is done on a thread of its own.

    Raises:
        TimeoutError: it took longer. It isn't stopped, and doesn't keep the program from ending.
        Exception: whatever the work raised.
    """
    results: list[Result] = []
    problems: list[BaseException] = []

    def attempt() -> None:
        try:
            results.append(work())
        except BaseException as problem:
            problems.append(problem)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"not done after {seconds:g} seconds")
    if problems:
        raise problems[0]
    return results[0]
