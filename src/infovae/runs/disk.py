"""A run folder that can't take what a run writes: found before training where it can be, told in one line where not."""

import errno
import shutil
from pathlib import Path

from torch import nn

from infovae.errors import UserError

FILES = 4
"""Checkpoints on the disk at once: last, previous, best, and the one being written."""
REFUSALS = {
    errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC, errno.ENOTDIR, errno.EPERM, errno.EROFS
}  # fmt: skip
"""By which a disk says that it is full, read-only or broken, and a folder that it isn't ours to write to."""

COPIES = 3
"""Of each weight in a checkpoint: the weight and Adam's two moments."""


def check_space(run_dir: Path, module: nn.Module, place: str) -> None:
    """Refuse a folder with less room than a run's checkpoints take; pictures and loggers come on top.

    Args:
        run_dir: the folder.
        module: whose weights the checkpoints hold.
        place: the key by which the folder was chosen, with its value.

    Raises:
        UserError: there is too little.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    weights = sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())
    needed, free = FILES * COPIES * weights, shutil.disk_usage(run_dir).free
    if free < needed:
        raise UserError(
            f"{place}: {free / 1e6:.1f} MB are free there and the checkpoints take {needed / 1e6:.1f}; "
            "accepted: a folder with room"
        )


def told_in_one_line(problem: Exception, run_dir: Path, place: str) -> Exception:
    """What is wrong with the disk, and what is left; an error of another kind stays as it is.

    Args:
        problem: what ended the run.
        run_dir: its folder.
        place: the key by which the folder was chosen, with its value.
    """
    if not isinstance(problem, OSError) or problem.errno not in REFUSALS:
        return problem
    last = run_dir / "checkpoints" / "last.ckpt"
    left = f"the last good checkpoint is {last}" if last.is_file() else "no checkpoint was written"
    return UserError(f"{problem.filename or place}: {problem.strerror}; {left}")
