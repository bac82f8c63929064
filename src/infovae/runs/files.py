"""The one way to write a file: whole or not at all, and never through a link."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from infovae.errors import UserError

FILES = ("config.yaml", "summary.json", "metrics.csv", "diagnosis.json", "train.log")
FOLDERS = (".hydra", "checkpoints", "figures")
"""What a run writes into its folder."""


def write_whole(
    path: Path,
    content: bytes | memoryview | str,
    inside: Path | None = None,
    durable: bool = False,
    earlier: Path | None = None,
) -> None:
    """Write a file beside its place, then move it there; make its folder if there is none.

    A kill or a full disk leaves the earlier file as it was. A link at ``path`` is replaced, not followed.

    Args:
        path: of the file.
        content: bytes, or text that is written as UTF-8.
        inside: a folder below which no link may stand between it and the file, since a stranger may have made it.
        durable: whether to have the bytes on the disk before the earlier file goes, so that a power cut loses neither.
        earlier: where to keep the file that was there before.

    Raises:
        UserError: a link stands between ``inside`` and the file.
        OSError: the disk refuses; its ``filename`` is the path.
    """
    # x: never through a link
    with written_aside(path, inside, earlier) as aside, aside.open("xb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    if durable:
        _sync_folder(path.parent)


@contextlib.contextmanager
def written_aside(path: Path, inside: Path | None = None, earlier: Path | None = None) -> Iterator[Path]:
    """Yield a free place beside a file, and move what is written there to the file's place; a failure leaves nothing.

    Arguments and errors are those of :func:`write_whole`.
    """
    if inside is not None:
        refuse_links(path.parent, inside)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.part")
    aside.unlink(missing_ok=True)  # left by a kill, or a link that someone put there
    try:
        yield aside
        if earlier is not None and path.exists():
            path.replace(earlier)
        aside.replace(path)
    except BaseException as problem:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
        if isinstance(problem, OSError):
            problem.filename = str(path)  # a full disk's own error names no file, and others that aside
        raise


def refuse_links(folder: Path, inside: Path) -> None:
    """Refuse a folder that is reached through a link below ``inside``."""
    for place in (folder, *folder.parents):
        if place == inside or inside not in place.parents:
            return
        if place.is_symlink():
            raise UserError(f"{place}: is a link, and would be written through; accepted: a folder")


def refuse_unfit(folder: Path) -> None:
    """Refuse a run folder that holds a link, or has a folder in a file's place or a file in a folder's.

    Through a link a stranger could have the run's files written elsewhere. W&B's own folder is left out: W&B links its
    newest run there.
    """
    for place, folders, names in os.walk(folder):
        for name in sorted([*folders, *names]):
            if os.path.islink(os.path.join(place, name)):
                why = f"{os.path.join(place, name)} is a link, and would be written through"
                raise UserError(why, key="hydra.run.dir", value=folder, accepted="a folder without links")
        if Path(place) == folder:
            folders[:] = [name for name in folders if name != "wandb"]
    wrong = [folder / name for name in FILES if (folder / name).is_dir()]
    wrong += [folder / name for name in FOLDERS if (folder / name).is_file()]
    if wrong:
        why = f"{wrong[0]} is a {'folder' if wrong[0].is_dir() else 'file'}"
        raise UserError(why, key="hydra.run.dir", value=folder, accepted="a run's own folder, or a new one")


def _sync_folder(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
