"""The peak of a process's memory, and processes of their own, whose peaks start anew."""

import multiprocessing
from collections.abc import Callable
from contextlib import AbstractContextManager
from multiprocessing.pool import Pool
from pathlib import Path
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
T = TypeVar("T")


def process(threads: int = 1) -> AbstractContextManager[Pool]:
    """Return a fresh process."""
    return multiprocessing.get_context("spawn").Pool(1, torch.set_num_threads, (threads,))


def alone(function: Callable[P, T], *given: P.args, **options: P.kwargs) -> T:
    """Return what a function returns in a fresh process."""
    with process() as pool:
        return pool.apply(function, given, options)


def forget_peak() -> float:
    """Forget the peak so far, and return the megabytes that are resident now (Linux only)."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> float:
    """Return the megabytes of this process's largest resident size so far."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024
