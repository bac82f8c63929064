"""Runs commands in forks of this process, which has imported the program. Each saves the seconds that torch takes.

A line of standard input is a command, as JSON of the arguments of `become`. The answer is its exit status, or the
negative number of the signal that ended it.
"""

import atexit
import gc
import importlib
import json
import os
import signal
import sys
import traceback
from typing import NoReturn

from infovae.app.command import COMMANDS, main


def become(arguments: list[str], folder: str, environment: dict[str, str], printed: list[str], timeout: int) -> None:
    """Take the place of a process that starts: its folder, environment, output and command line."""
    signal.alarm(timeout)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = environment["PYTHONPATH"].split(os.pathsep)
    for descriptor, path in enumerate([os.devnull, *printed]):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), descriptor)
    sys.argv = ["infovae", *arguments]


def end() -> NoReturn:
    """Run the command and end as Python does, but leave the memory to the system: to tidy up takes a second."""
    status = 0
    try:
        main()
    except SystemExit as ending:
        status = int(ending.code or 0)
    except BaseException:
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    for command in COMMANDS.values():
        importlib.import_module(command.task.partition(":")[0])
    gc.freeze()  # a collection in a fork would copy all of it
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            become(**json.loads(line))
            end()
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()
