"""Waiting for work, but not for ever."""

import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def bounded(work: Callable[[], Result], seconds: float) -> Result:
    """Do work on a thread of its own and return its result.

    Raises:
        TimeoutError: the work took longer. It goes on, and doesn't keep the program from ending.
        Exception: the work raised it.
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
