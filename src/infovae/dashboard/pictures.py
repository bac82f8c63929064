"""The pictures of a run by name and epoch, and how many of them go into a file."""

import base64
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from infovae.dashboard.reading import UnreadableError, inside

NAME = re.compile(r"(?P<name>.+?)(?:-(?P<epoch>\d{1,9}))?\.png", re.DOTALL)
SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = b"IEND\xaeB`\x82"
LARGEST = 2**25


@dataclass(frozen=True)
class Picture:
    """``figures/NAME-EPOCH.png``, or ``figures/NAME.png`` where no epoch is told."""

    name: str
    epoch: int | None
    file: str
    modified: int
    size: int


def find_pictures(folder: Path) -> list[Picture]:
    """The regular PNG files in ``figures/``, by name and epoch; links are passed over.

    ``NAME.png`` is the newest of the numbered ones and left out where there are any.
    """
    found = []
    try:
        if (folder / "figures").is_symlink():
            return []
        with os.scandir(folder / "figures") as entries:
            for entry in entries:
                match = NAME.fullmatch(entry.name)
                facts = entry.stat(follow_symlinks=False)
                if match and stat.S_ISREG(facts.st_mode):
                    epoch = int(match["epoch"]) if match["epoch"] else None
                    found.append(Picture(match["name"], epoch, entry.name, facts.st_mtime_ns, facts.st_size))
    except OSError:
        return []
    numbered = {picture.name for picture in found if picture.epoch is not None}
    kept = [picture for picture in found if picture.epoch is not None or picture.name not in numbered]
    return sorted(kept, key=lambda picture: (picture.name, picture.epoch or 0, picture.file))


def read_picture(folder: Path, file: str) -> bytes:
    """A PNG of ``figures/``.

    Raises:
        UnreadableError: there is none of that name inside the folder, or it is no whole PNG.
    """
    path = inside(folder, f"figures/{file}")
    if path is None:
        raise UnreadableError(f"figures/{file}: gone")
    try:
        with path.open("rb") as opened:
            content = opened.read(LARGEST + 1)
    except OSError as error:
        raise UnreadableError(f"figures/{file}: {error.strerror}") from error
    if not (content.startswith(SIGNATURE) and content.endswith(END)) or len(content) > LARGEST:
        raise UnreadableError(f"figures/{file}: not a whole PNG")
    return content


def embed(runs: Iterable[tuple[Path, list[Picture]]], budget: float) -> list[dict[str, str]]:
    """Pictures as data URLs, by file name, for each run.

    The newest picture of every kind goes in first, for the first run first, then the newest but one and so on, until
    ``budget`` bytes of page are used up. Of a picture that can't be read the URL is empty.
    """
    runs = list(runs)
    chosen: list[dict[str, str]] = [{} for _ in runs]
    queue = []
    for position, (_, pictures) in enumerate(runs):
        age: dict[str, int] = {}
        for picture in reversed(pictures):
            age[picture.name] = age.get(picture.name, -1) + 1
            queue.append((age[picture.name], position, picture))
    queue.sort(key=lambda entry: entry[:2])
    for _, position, picture in queue:
        if picture.size * 4 / 3 > budget:
            break
        try:
            content = read_picture(runs[position][0], picture.file)
        except UnreadableError:
            chosen[position][picture.file] = ""
            continue
        url = "data:image/png;base64," + base64.b64encode(content).decode()
        budget -= len(url)
        chosen[position][picture.file] = url
    return chosen
