"""Processes that take turns: each works for one window when told, and says what it took.

A worker holds a :class:`Turn` and passes it between windows; :func:`alternate` starts the workers and gives each its
turn, round after round, so that whatever else the machine does falls on all alike. Their terminal is a real one that
is read and thrown away: progress bars cost what they cost a user.
"""

import contextlib
import json
import math
import os
import pty
import statistics
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import NamedTuple

from results import ROOT

PIPES = "INFOVAE_BENCHMARK_TURN"


class Rate(NamedTuple):
    """Images per second: the median by the clock with its lowest and highest, and the median by CPU time."""

    median: float
    low: float
    high: float
    by_cpu: float

    def __str__(self) -> str:
        return f"{self.median:,.0f} ({self.low:,.0f}-{self.high:,.0f})"


class Turn:
    """A worker's side: waits for its turn, works, and says what that took. Without a parent it does nothing."""

    def __init__(self) -> None:
        pipes = os.environ.get(PIPES)
        self._pipes = tuple(map(int, pipes.split(","))) if pipes else None
        self._start: tuple[float, float] | None = None
        self._took = math.nan, math.nan

    def begin(self) -> None:
        """Hand the turn on, and return when the next window is to begin; one that is under way ends first."""
        if self._pipes is None:
            return
        self.end()
        reading, writing = self._pipes
        os.write(writing, (json.dumps(self._took) + "\n").encode())
        if os.read(reading, 1) != b"g":
            os._exit(0)  # there are no more windows
        self._start = perf_counter(), process_time()

    def end(self) -> None:
        """The end of a window, if one is under way. The turn is kept: what follows isn't measured."""
        if self._start is not None:
            wall, cpu = self._start
            self._took = perf_counter() - wall, process_time() - cpu
            self._start = None


class Worker:
    """The parent's side of one worker."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        to_worker, self._writing = os.pipe()
        self._reading, from_worker = os.pipe()
        terminal, inside = pty.openpty()
        self.log = log
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=inside, stderr=inside, pass_fds=(to_worker, from_worker),
            env={**environment, PIPES: f"{to_worker},{from_worker}"}, cwd=ROOT,
        )  # fmt: skip
        for descriptor in (to_worker, from_worker, inside):
            os.close(descriptor)
        threading.Thread(target=_drain, args=(terminal, log), daemon=True).start()
        self._messages = os.fdopen(self._reading)

    def wait(self) -> tuple[float, float]:
        """Wait until it is ready, and return what its last window took: seconds by the clock, and of all its CPUs."""
        message = self._messages.readline()
        if not message:
            self.process.wait()
            raise RuntimeError(f"a worker ended with status {self.process.returncode}; {self.log} says more")
        wall, cpu = json.loads(message)
        return wall, cpu

    def window(self) -> tuple[float, float]:
        """Give it its turn, and return what that took."""
        os.write(self._writing, b"g")
        return self.wait()

    def end(self) -> None:
        """No more turns."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._writing, b"x")
        self.process.wait()
        os.close(self._writing)
        self._messages.close()


def alternate(
    commands: Mapping[str, Sequence[str]], environment: Mapping[str, str], folder: Path, rounds: int, images: int
) -> dict[str, Rate]:
    """Give each worker its turn, ``rounds`` times, after a round that isn't counted, and return their rates.

    Args:
        commands: by the worker's name.
        environment: theirs.
        folder: for what they print.
        rounds: windows of each.
        images: that a window takes.
    """
    with contextlib.ExitStack() as running:
        workers: dict[str, Worker] = {}
        for name, command in commands.items():
            workers[name] = Worker(command, environment, folder / f"{name.replace(' ', '_')}.log")
            running.callback(workers[name].end)
            workers[name].wait()
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in workers}
        for _ in range(rounds + 1):
            for name, worker in workers.items():
                taken[name].append(worker.window())
    table = {}
    for name, windows in taken.items():
        wall, cpu = ([images / seconds for seconds in column] for column in zip(*windows[1:], strict=True))
        table[name] = Rate(statistics.median(wall), min(wall), max(wall), statistics.median(cpu))
    return table


@contextlib.contextmanager
def load_told() -> Iterator[None]:
    """Say how busy the machine was, before and after."""
    print(f"load before: {' '.join(f'{load:.1f}' for load in os.getloadavg())}, {os.cpu_count()} cores", flush=True)
    yield
    print(f"load after: {' '.join(f'{load:.1f}' for load in os.getloadavg())}", flush=True)


def _drain(terminal: int, log: Path) -> None:
    with log.open("wb") as file, contextlib.suppress(OSError):  # the last writer hung up
        while content := os.read(terminal, 65536):
            file.write(content)
