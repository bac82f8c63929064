"""Waiting for work, but not for ever."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

Result = TypeVar("Result")


def bounded(work: Callable[[], Result], seconds: float) -> Result:
    """Do work on a thread of its own, and return its result or raise its error.

    Raises:
        TimeoutError: the work took longer. It goes on, and doesn't keep the program from ending.
    """
    future: Future[Result] = Future()

    def attempt() -> None:
        try:
            future.set_result(work())
        except BaseException as problem:
            future.set_exception(problem)

    threading.Thread(target=attempt, daemon=True).start()
    if wait([future], seconds).not_done:
        raise TimeoutError(f"not done after {seconds:g} seconds")
    return future.result()
