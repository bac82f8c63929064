"""A disk without room for a run, found before training where possible, and reported in one line otherwise."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytorch_lightning as pl
from torch import nn

from infovae.errors import UserError
from infovae.runs.checkpoints import left_behind

REFUSALS = {
    errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC, errno.ENOTDIR, errno.EPERM, errno.EROFS
}  # fmt: skip
"""Errors of a disk that is full, read-only or broken, and of a folder that isn't ours to write to."""

COPIES = 3
"""Numbers in a checkpoint for each weight: the weight and Adam's two moments."""


def check_space(run_dir: Path, module: nn.Module, place: str, files: int, averages: int = 0) -> None:
    """Refuse a run folder with less room than the checkpoints of a model take; pictures and loggers come on top.

    Args:
        place: the key by which the folder was chosen, with its value.
        files: number of checkpoints on the disk at once.
        averages: number of averages of the weights that each holds.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    weights = sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())
    needed, free = files * (COPIES + averages) * weights, shutil.disk_usage(run_dir).free
    if free < needed:
        why = f"{free / 1e6:.1f} MB are free there and the checkpoints take {needed / 1e6:.1f}"
        raise UserError(why, key=place, accepted="a folder with room")


@contextmanager
def disk_errors(key: str) -> Iterator[None]:
    """Turn an error of a full, read-only or broken disk into a UserError that names the file.

    ``key`` is the key by which the place was chosen, with its value.
    """
    try:
        yield
    except OSError as problem:
        if problem.errno not in REFUSALS:
            raise
        why, accepted = f"{problem.filename}: {problem.strerror}", "a folder with room that can be written to"
        raise UserError(why, key=key, accepted=accepted) from problem


def as_one_line(problem: Exception, run_dir: Path, place: str, trainer: pl.Trainer | None) -> Exception:
    """Return the error that ended a run as a line that says what the disk refused and what is left; others as they are.

    ``place`` is the key by which the run's folder was chosen, with its value.
    """
    if not isinstance(problem, OSError) or problem.errno not in REFUSALS:
        return problem
    file = f"{problem.filename}: " if problem.filename else ""
    return UserError(f"{file}{problem.strerror}; {left_behind(run_dir, trainer)}", key=place)
