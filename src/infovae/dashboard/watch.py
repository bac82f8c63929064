"""Watch run folders: read each again when its files change, and keep what the page shows in memory."""

import logging
import secrets
import time
import traceback
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from infovae.dashboard.folders import find_runs
from infovae.dashboard.page import safe_json
from infovae.dashboard.pictures import PictureFile
from infovae.dashboard.run import FILES, RunData, read_run
from infovae.dashboard.settings import Settings
from infovae.terminal.printable import without_controls

log = logging.getLogger(__name__)

MOST_BYTES = 2**23
"""Of runs in one answer; a page asks again for the rest."""
PATIENCE = 0.5
"""Seconds for which an answer waits for folders that are being read."""


@dataclass(frozen=True)
class Watched:
    """A run that was read.

    Attributes:
        folder: of the run.
        text: the run as JSON, ready to send.
        pictures: of the run.
        touched: when it was last written to.
        running: whether it had not ended.
        signature: what its files looked like.
        version: which change of the whole brought it.
    """

    folder: Path
    text: str
    pictures: list[PictureFile]
    touched: float
    running: bool
    signature: tuple[object, ...]
    version: int


class Watch:
    """All runs that the settings name, each with a number that it keeps.

    Every change has a version, so a page asks for what is newer than what it has.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.instance = secrets.token_hex(8)
        self.watched: dict[int, Watched] = {}
        self.found = 0
        self._numbers: dict[Path, int] = {}
        self._gone: dict[int, int] = {}
        self._version = 0
        self._looked = float("-inf")
        self._lock = Lock()
        self._reading: Thread | None = None

    def refresh(self, patience: float = PATIENCE) -> None:
        """Look for changes in the background, at most once in ``poll_seconds``; wait ``patience`` seconds."""
        with self._lock:
            due = time.monotonic() - self._looked >= self.settings.poll_seconds
            if due and not (self._reading and self._reading.is_alive()):
                self._reading = Thread(target=self._look_in_background, daemon=True)
                self._reading.start()
            reading = self._reading
        if reading:
            reading.join(patience)

    def look(self) -> None:
        """Read the runs that are new or changed, and forget those that are gone."""
        folders = find_runs(self.settings.runs)
        with self._lock:
            self.found = len(folders)
            found = {self._numbers.setdefault(folder, len(self._numbers)): folder for folder in folders}
            for number in self.watched.keys() - found.keys():
                del self.watched[number]
                self._version += 1
                self._gone[number] = self._version
        for number, folder in found.items():
            self._look_at(number, folder)
        self._looked = time.monotonic()

    def changes(self, since: int, most: float = MOST_BYTES) -> str:
        """Return, as JSON, the runs that changed after a version, and the numbers of those that are gone.

        Args:
            since: the version.
            most: bytes of runs, after which the rest is left for the next call; at least one run is given.
        """
        with self._lock:
            changed = sorted((run.version, run.text) for run in self.watched.values() if run.version > since)
            gone = [number for number, version in self._gone.items() if version > since]
            version, found = self._version, self.found
        sizes = accumulate(len(text) for _, text in changed)
        fitting = sum(size <= most for size in sizes)  # sizes ascend
        now = changed[: max(1, fitting)]
        more = len(now) < len(changed)
        told = {"instance": self.instance, "version": now[-1][0] if more else version, "more": more, "found": found}
        runs = ",".join(text for _, text in now)
        return f'{safe_json(told | {"gone": gone})[:-1]},"runs":[{runs}]}}'

    def look_again(self, number: int) -> None:
        """Read a run that this process has just written to."""
        self._look_at(number, self.watched[number].folder)

    def _look_in_background(self) -> None:
        try:
            self.look()
        except Exception:  # or nobody would hear of it
            log.error("run folders couldn't be read:\n%s", without_controls(traceback.format_exc()))

    def _look_at(self, number: int, folder: Path) -> None:
        known = self.watched.get(number)
        stalled_after = 60 * self.settings.stalled_after_minutes
        signature = _signature(folder)  # before reading: what is written meanwhile is read next time
        overdue = known and known.running and time.time() - known.touched >= stalled_after
        if known and known.signature == signature and not overdue:
            return
        run = read_run(folder, self.settings.curve_points, stalled_after)
        text, running = safe_json(plain(number, run)), run.status == "running"
        with self._lock:
            self._version += 1
            read = (run.pictures, run.touched, running, signature)
            self.watched[number] = Watched(folder, text, *read, self._version)
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


def plain(number: int, run: RunData) -> dict[str, Any]:
    """Return a run as it goes to the page."""
    pictures: dict[str, list[list[object]]] = {}
    for picture in run.pictures:
        pictures.setdefault(picture.name, []).append([picture.epoch, picture.file, str(picture.modified)])
    return vars(run) | {"id": number, "pictures": pictures}
