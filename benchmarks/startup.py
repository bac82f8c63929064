"""How long a command takes to answer: to the first training step, and to --help and --cfg job.

python benchmarks/startup.py                                          prints a table; two minutes on one core
python benchmarks/startup.py "train.py --help" "train.py --cfg job"   these alone

A run is held against the imports that it can't do without, --help and --cfg against that of hydra. The commands take
turns, each in a process of its own, and each against a reference of its own turn. Two ratios are given: of the time on
the clock, which other work on the machine moves, and of the CPU time of the process and those it has waited for.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from time import perf_counter
from typing import NamedTuple

from results import ROOT


class Command(NamedTuple):
    """What is timed."""

    arguments: list[str]
    reference: str | None = None
    goal: float = 0.0


def first_step(*overrides: str) -> list[str]:
    """A run that ends with its first step: as users start it, with one more callback."""
    callback = "+callbacks.end._target_=callbacks.EndAtFirstStep"
    return [str(ROOT / "train.py"), f"data.root={ROOT / 'data'}", callback, *overrides]


COMMANDS = {
    "import torch, pytorch_lightning, hydra, wandb": Command(["-c", "import torch, pytorch_lightning, hydra, wandb"]),
    "import hydra": Command(["-c", "import hydra"]),
    "train.py": Command(first_step(), "import torch, pytorch_lightning, hydra, wandb", 1.5),
    "train.py logger=none": Command(first_step("logger=none"), "import torch, pytorch_lightning, hydra, wandb", 1.5),
    "train.py --help": Command([str(ROOT / "train.py"), "--help"], "import hydra", 2),
    "train.py --cfg job": Command([str(ROOT / "train.py"), "--cfg", "job"], "import hydra", 2),
}


def seconds(arguments: list[str], folder: str) -> tuple[float, float]:
    """On the clock and of CPU, of one run of Python."""
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT / "benchmarks")]))
    start, before = perf_counter(), os.times()
    answer = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    after = os.times()
    if answer.returncode:
        raise RuntimeError(answer.stderr)
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return perf_counter() - start, cpu


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commands", nargs="*", default=list(COMMANDS), help="of the table's first column")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    asked = [COMMANDS[name].reference or name for name in arguments.commands] + arguments.commands
    commands = {name: command for name, command in COMMANDS.items() if name in asked}
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    with tempfile.TemporaryDirectory() as folder:
        for command in commands.values():
            seconds(command.arguments, folder)  # bytecode, file caches, unpacked data
        rounds = [
            {name: seconds(command.arguments, folder) for name, command in commands.items()}
            for _ in range(arguments.rounds)
        ]
    print("|command|clock, s|CPU, s|ratio of clock|ratio of CPU|goal|\n|---|---|---|---|---|---|")
    for name, command in commands.items():
        cells = [f"{statistics.median(each[name][which] for each in rounds):.2f}" for which in (0, 1)]
        if command.reference:
            for which in (0, 1):
                ratios = [each[name][which] / each[command.reference][which] for each in rounds]
                cells.append(f"{statistics.median(ratios):.2f}")
            cells.append(f"{command.goal:g}")
        print(f"|{name}|{'|'.join([*cells, '', '', ''][:5])}|")


if __name__ == "__main__":
    main()
