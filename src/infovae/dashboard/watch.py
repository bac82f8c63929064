"""Run folders that change while one looks: each is read again when its files are newer."""

import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from infovae.dashboard.folders import find_runs
from infovae.dashboard.run import FILES, Run, read_run
from infovae.dashboard.settings import Settings


@dataclass
class Watched:
    """A run, what its files looked like when it was read, and the version of the whole that it came with."""

    run: Run
    signature: tuple[object, ...]
    version: int


class Watch:
    """All runs that the settings name, by a number that stays theirs.

    Every run has the version of its last change, so that a page asks for what is newer than what it has.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.instance = secrets.token_hex(8)
        self.watched: dict[int, Watched] = {}
        self._numbers: dict[Path, int] = {}
        self._gone: dict[int, int] = {}
        self._version = 0
        self._looked = float("-inf")
        self._lock = Lock()

    def refresh(self) -> None:
        """Look for runs that are new, changed or gone, at most once in ``poll_seconds``."""
        with self._lock:
            if time.monotonic() - self._looked < self.settings.poll_seconds:
                return
            self._version += 1
            found = {
                self._numbers.setdefault(folder, len(self._numbers)): folder for folder in find_runs(self.settings.runs)
            }
            for number, folder in found.items():
                self._look(number, folder)
            for number in self.watched.keys() - found.keys():
                del self.watched[number]
                self._gone[number] = self._version
            self._looked = time.monotonic()

    def changes(self, since: int) -> dict[str, Any]:
        """Runs that changed after a version, and the numbers of those that are gone."""
        with self._lock:
            return {
                "instance": self.instance,
                "version": self._version,
                "runs": [
                    plain(number, watched.run) for number, watched in self.watched.items() if watched.version > since
                ],
                "gone": [number for number, version in self._gone.items() if version > since],
            }

    def run(self, number: int) -> Run | None:
        """The run of that number, if it is there."""
        watched = self.watched.get(number)
        return watched.run if watched else None

    def _look(self, number: int, folder: Path) -> None:
        known = self.watched.get(number)
        stalled_after = 60 * self.settings.stalled_after_minutes
        signature = _signature(folder)  # before reading: what is written meanwhile is read next time
        if known and known.signature == signature:
            overdue = known.run.status == "running" and time.time() - known.run.touched >= stalled_after
            if not overdue:
                return
        run = read_run(folder, self.settings.curve_points, stalled_after)
        self.watched[number] = Watched(run, signature, self._version)
        self._gone.pop(number, None)


def _signature(folder: Path) -> tuple[object, ...]:
    signature: list[object] = []
    for name in (*FILES, "figures"):
        try:
            facts = (folder / name).stat()
            signature += [facts.st_mtime_ns, facts.st_size]
        except OSError as error:
            signature.append(error.errno)
    return tuple(signature)


def plain(number: int, run: Run) -> dict[str, Any]:
    """A run as it goes to the page."""
    content = asdict(run)
    pictures: dict[str, list[list[object]]] = {}
    for picture in run.pictures:
        pictures.setdefault(picture.name, []).append([picture.epoch, picture.file, str(picture.modified)])
    return content | {"id": number, "pictures": pictures}
