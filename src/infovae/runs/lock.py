"""Locks, so that one process at a time writes to a run's or sweep's folder, or fetches a data set."""

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path

from filelock import FileLock, Timeout

from infovae.errors import UserError

LOCK = ".lock"
NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
"""Errors of a file system without locks."""

log = logging.getLogger(__name__)


@contextmanager
def claimed(folder: Path, key: str) -> Iterator[None]:
    """Keep other processes from writing to a folder.

    The kernel holds the lock. It ends with the process, however that ends, and at most an empty file stays. The folder
    is made if there is none.

    Raises:
        UserError: another process has the lock.
        OSError: the folder can't be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = folder.stat()
    lock = FileLock(folder / LOCK, timeout=0, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        why, accepted = "another process is writing there", "another folder, or waiting for its end"
        raise UserError(why, key=key, value=folder, accepted=accepted) from None
    except (OSError, NotImplementedError) as problem:
        if isinstance(problem, OSError) and problem.errno not in NO_LOCKS:
            raise
        log.warning("%s: this file system has no locks, so nothing keeps a second process from writing there", folder)
    try:
        yield
    finally:
        if [path.name for path in folder.iterdir()] == [LOCK]:  # the run was refused
            with suppress(PermissionError):  # Windows removes no open file; filelock does so when it releases it
                (folder / LOCK).unlink()
            os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))  # by which leave_no_trace knows whose it is
        lock.release()


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Wait until no other process holds the same lock; don't lock in a folder that can't be written to.

    The file at ``path`` is made, but its folder isn't, and removed at the end.
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
            path.unlink(missing_ok=True)  # a process that waits for it sees that, and makes another
        lock.release()


@contextmanager
def no_empty_folders(folder: Path) -> Iterator[None]:
    """Remove at the end the folder and those above it that weren't there before, if they are empty."""
    absent = list(takewhile(lambda path: not path.exists(), (folder, *folder.parents)))
    try:
        yield
    finally:
        with suppress(OSError):  # it holds something, or was never made
            for path in absent:
                if path.exists():
                    path.rmdir()
