"""Find a run's pictures by name and epoch, and choose those that go into a file."""

import base64
import itertools
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from infovae.dashboard.reading import UnreadableError, read_bytes

NAME = re.compile(r"(?P<name>.+?)(?:-(?P<epoch>\d{1,9}))?\.png", re.DOTALL)
SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = b"IEND\xaeB`\x82"
LARGEST = 2**25
"""Bytes of a picture."""
MOST = 10_000
"""Files in ``figures/`` that are looked at."""


@dataclass(frozen=True)
class PictureFile:
    """``figures/NAME-EPOCH.png``, or ``figures/NAME.png`` without an epoch."""

    name: str
    epoch: int | None
    file: str
    modified: int
    size: int


def find_pictures(folder: Path) -> list[PictureFile]:
    """Return the regular PNG files in ``figures/``, by name and epoch, without links.

    ``NAME.png`` repeats the newest numbered file, so it is left out if there are numbered ones.
    """
    found = []
    try:
        if (folder / "figures").is_symlink():
            return []
        with os.scandir(folder / "figures") as entries:
            for entry in itertools.islice(entries, MOST):
                match = NAME.fullmatch(entry.name)
                facts = entry.stat(follow_symlinks=False)
                if match and stat.S_ISREG(facts.st_mode):
                    epoch = int(match["epoch"]) if match["epoch"] else None
                    found.append(PictureFile(match["name"], epoch, entry.name, facts.st_mtime_ns, facts.st_size))
    except OSError:
        return []
    numbered = {picture.name for picture in found if picture.epoch is not None}
    kept = [picture for picture in found if picture.epoch is not None or picture.name not in numbered]
    return sorted(kept, key=lambda picture: (picture.name, picture.epoch or 0, picture.file))


def read_picture(folder: Path, file: str) -> bytes:
    """Return the content of a PNG in ``figures/``.

    Raises:
        UnreadableError: the folder has no such file, or it isn't a whole PNG.
    """
    content = read_bytes(folder, f"figures/{file}", LARGEST)
    if content is None:
        raise UnreadableError(f"figures/{file}: gone")
    if not (content.startswith(SIGNATURE) and content.endswith(END)):
        raise UnreadableError(f"figures/{file}: not a whole PNG")
    return content


def embed(runs: Iterable[tuple[Path, list[PictureFile]]], budget: float) -> list[dict[str, str]]:
    """Return for each run its pictures as data URLs, by file name.

    The newest picture of each kind is taken first, in the order of the runs, then the newest but one and so on, until
    ``budget`` bytes of page are used up. A picture that can't be read has an empty URL.
    """
    runs = list(runs)
    chosen: list[dict[str, str]] = [{} for _ in runs]
    queue = []
    for position, (_, pictures) in enumerate(runs):
        newer: Counter[str] = Counter()
        for picture in reversed(pictures):
            queue.append((newer[picture.name], position, picture))
            newer[picture.name] += 1
    for _, position, picture in sorted(queue, key=lambda entry: entry[:2]):
        if picture.size * 4 / 3 > budget:
            break
        try:
            content = read_picture(runs[position][0], picture.file)
            url = "data:image/png;base64," + base64.b64encode(content).decode()
        except UnreadableError:
            url = ""
        budget -= len(url)
        chosen[position][picture.file] = url
    return chosen
