"""Trains runs that are killed on the way: python tests/faults/worker.py < JOBS.json

A job has a folder, overrides, and faults. Each attempt is a process of its own, forked from this one, that composes
the same config with resume=auto and meets the next fault; the last meets none:

    step:N        SIGKILL before the N-th training step of the attempt
    validation:N  before its N-th validation batch; test:N likewise
    write:N       in its N-th call of fsync, where the file is first cut to half
    rename:N      before its N-th renaming of a file
    call:S        before a call of a Python function: after a share S of the calls that the very first attempt made
    term:N        SIGTERM before the N-th training step, which is to end in exit status 143
    cut, flip     no attempt: what lies on the disk as last.ckpt loses its second half, or a bit in its middle changes
"""

import itertools
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from conftest import composing

from infovae.module import InfoVAE
from infovae.training.run import train


def main(jobs: list[dict[str, Any]]) -> None:
    calls: list[int] = []
    with composing() as compose:
        for job in jobs:
            folder, overrides = Path(job["folder"]), [*job["overrides"], "resume=auto"]
            for fault in [*job["faults"], "none"]:
                if fault in ("cut", "flip"):
                    damage(folder / "checkpoints" / "last.ckpt", fault)
                    continue
                kind, _, when = fault.partition(":")
                if kind == "call":
                    fault = f"call:{int(float(when) * calls[0])}"
                child = os.fork()
                if child == 0:
                    attempt(lambda: train(compose(*overrides, run_dir=folder)), folder, fault)  # noqa: B023
                code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                if not calls:
                    calls.append(int((folder / "calls").read_text()))
                if code != {"none": 0, "term": 143}.get(kind, -signal.SIGKILL):
                    sys.exit(f"{folder}: {fault}: ended by {code}")


def attempt(run: Callable[[], Any], folder: Path, fault: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    log = os.open(folder / "attempts.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    logging.basicConfig(level=logging.INFO, force=True)
    kind, _, when = fault.partition(":")
    count = count_calls(int(when) if kind == "call" else None) if kind in ("none", "call") else None
    owner, name, before = {
        "step": (InfoVAE, "step", None),
        "term": (InfoVAE, "step", None),
        "validation": (InfoVAE, "validation_step", None),
        "test": (InfoVAE, "test_step", None),
        "write": (os, "fsync", halve),
        "rename": (Path, "replace", None),
    }.get(kind, (None, "", None))
    if owner is not None:
        ending = signal.SIGTERM if kind == "term" else signal.SIGKILL
        setattr(owner, name, killed_at(getattr(owner, name), int(when), before, ending))
    try:
        run()
        if count is not None:
            sys.setprofile(None)
            (folder / "calls").write_text(str(next(count)))
    except SystemExit as ending:
        os._exit(int(ending.code or 0))
    except BaseException as error:
        logging.exception("%s", error)
        os._exit(1)
    os._exit(0)


def count_calls(last: int | None) -> Iterator[int]:
    """Count calls of Python functions from now on; SIGKILL before the one of that number."""
    counter = itertools.count()

    def count(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and next(counter) == last:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    return counter


def killed_at(
    function: Callable[..., Any], number: int, before: Callable[..., None] | None, ending: signal.Signals
) -> Callable[..., Any]:
    count = 0

    def counting(*arguments: Any, **keywords: Any) -> Any:
        nonlocal count
        count += 1
        if count == number:
            if before is not None:
                before(*arguments)
            os.kill(os.getpid(), ending)
        return function(*arguments, **keywords)

    return counting


def halve(descriptor: int) -> None:
    """A file whose bytes didn't all arrive; a folder stays as it is."""
    if not os.path.isdir(f"/proc/self/fd/{descriptor}"):
        os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "cut":
        del content[len(content) // 2 :]
    else:
        content[len(content) // 2] ^= 1
    path.write_bytes(content)


if __name__ == "__main__":
    main(json.load(sys.stdin))
