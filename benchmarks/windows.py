"""Processes that take turns: each works for one window when told, and says what it took.

A worker holds a :class:`Turn` and passes it between windows; :func:`alternate` starts the workers and gives each its
turn, round after round, so that whatever else the machine does falls on all alike. Their terminal is a real one that
is read and thrown away: progress bars cost what they cost a user.
"""

import contextlib
import json
import os
import pty
import statistics
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import NamedTuple

PIPES = "INFOVAE_BENCHMARK_TURN"
ROOT = Path(__file__).parents[1]


class Window(NamedTuple):
    """What one window took: seconds by the clock, and of processor time over all of the process's threads."""

    wall: float
    cpu: float


class Turn:
    """A worker's side: waits for its turn, works, and says what that took. Without a parent it does nothing."""

    def __init__(self) -> None:
        pipes = os.environ.get(PIPES)
        self._pipes = tuple(map(int, pipes.split(","))) if pipes else None
        self._start: tuple[float, float] | None = None
        self._took: list[float] | None = None

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
            self._took = [perf_counter() - wall, process_time() - cpu]
            self._start = None


class Worker:
    """The parent's side of one worker."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        to_worker, self._writing = os.pipe()
        self._reading, from_worker = os.pipe()
        terminal, inside = pty.openpty()
        self.log = log
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=inside,
            stderr=inside,
            pass_fds=(to_worker, from_worker),
            env={**environment, PIPES: f"{to_worker},{from_worker}"},
            cwd=ROOT,
        )
        for descriptor in (to_worker, from_worker, inside):
            os.close(descriptor)
        threading.Thread(target=_drain, args=(terminal, log), daemon=True).start()
        self._messages = os.fdopen(self._reading)

    def wait(self) -> Window | None:
        """Until its window has ended, or it is ready for its first."""
        message = self._messages.readline()
        if not message:
            self.process.wait()
            raise RuntimeError(f"a worker ended with status {self.process.returncode}; {self.log} says more")
        took = json.loads(message)
        return None if took is None else Window(*took)

    def go(self) -> None:
        """Its turn."""
        os.write(self._writing, b"g")

    def end(self) -> None:
        """No more turns."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._writing, b"x")
        self.process.wait()
        os.close(self._writing)
        self._messages.close()


def alternate(
    commands: Mapping[str, Sequence[str]], environment: Mapping[str, str], folder: Path, rounds: int
) -> dict[str, list[Window]]:
    """Give each worker its turn, ``rounds`` times, after a round that isn't counted.

    Args:
        commands: by the worker's name.
        environment: theirs.
        folder: for what they print.
        rounds: windows of each.
    """
    with contextlib.ExitStack() as running:
        workers: dict[str, Worker] = {}
        for name, command in commands.items():
            workers[name] = Worker(command, environment, folder / f"{name.replace(' ', '_')}.log")
            running.callback(workers[name].end)
            workers[name].wait()
        windows: dict[str, list[Window]] = {name: [] for name in workers}
        for round_ in range(rounds + 1):
            for name, worker in workers.items():
                worker.go()
                window = worker.wait()
                if round_ > 0 and window is not None:
                    windows[name].append(window)
        return windows


def rates(windows: Mapping[str, Sequence[Window]], images: int) -> dict[str, tuple[float, float, float, float]]:
    """Images per second of each: the median by the clock with its lowest and highest, and the median by CPU time."""
    table: dict[str, tuple[float, float, float, float]] = {}
    for name, taken in windows.items():
        by_clock = [images / window.wall for window in taken]
        by_cpu = statistics.median(images / window.cpu for window in taken)
        table[name] = statistics.median(by_clock), min(by_clock), max(by_clock), by_cpu
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
