"""One process at a time: in the folder of a run or of a sweep, and where a data set is fetched or unpacked."""

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path

from filelock import FileLock, Timeout

from infovae.errors import UserError

LOCK = ".lock"
NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
"""By which a file system says that it knows no locks."""

log = logging.getLogger(__name__)


@contextmanager
def claimed(folder: Path, key: str) -> Iterator[None]:
    """Let no other process write to this folder meanwhile.

    The lock is the kernel's: it ends with the process, however that ends, and leaves an empty file, where it leaves
    anything.

    Args:
        folder: of a run or of a sweep; made where there is none.
        key: by which another one is chosen.

    Raises:
        UserError: another process has it.
        OSError: it can't be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, timeout=0, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise UserError(
            f"{key}={folder}: another process is writing there; accepted: another folder, or waiting for its end"
        ) from None
    except (OSError, NotImplementedError) as problem:
        if isinstance(problem, OSError) and problem.errno not in NO_LOCKS:
            raise
        log.warning("%s: no locks on this file system, so nothing keeps a second process from writing there", folder)
    try:
        yield
    finally:
        if [path.name for path in folder.iterdir()] == [LOCK]:  # of a run that was refused
            (folder / LOCK).unlink()
        lock.release()


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Wait until no other process is in here with the same path; where it can't be written to, don't.

    Args:
        path: of a file to lock; made, but not its folder, and gone at the end.
    """
    if not path.parent.is_dir():
        yield
        return
    lock = FileLock(path, timeout=0, fallback_to_soft=False)
    with suppress(OSError, NotImplementedError):
        try:
            lock.acquire()
        except Timeout:
            log.info("waits for another process (%s)", path)
            lock.acquire(timeout=-1)
    try:
        yield
    finally:
        if lock.is_locked:
            path.unlink(missing_ok=True)  # whoever waits for it sees that it is gone, and makes another
        lock.release()


@contextmanager
def no_empty_folders(folder: Path) -> Iterator[None]:
    """Take away, where nothing was put into them meanwhile, a folder and those above it that weren't there before."""
    absent = list(takewhile(lambda path: not path.exists(), (folder, *folder.parents)))
    try:
        yield
    finally:
        with suppress(OSError):  # it holds something, or was never made
            for path in absent:
                if path.exists():
                    path.rmdir()
