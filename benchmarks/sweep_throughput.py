"""How much faster a sweep is with hydra/launcher=joblib than one job after the other with default threads.

    python benchmarks/sweep_throughput.py                          # 8 jobs of 2 epochs, all ways, minutes
    python benchmarks/sweep_throughput.py --jobs 4 --epochs 1      # a quick look

prints the wall time of each way, and how many times as fast joblib is; the goal on two cores is 1.5. Everything counts:
starting processes, reading data, training, measuring, pictures. The machine must have nothing else to do.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from time import perf_counter

from results import ROOT
from training_workers import ALL, settings

GOAL = 1.5
OURS = "joblib"


def ways(jobs: int, epochs: int, folder: str) -> dict[str, list[list[str]]]:
    """The commands of each way."""
    run = [
        sys.executable, str(ROOT / "train.py"), *settings("mlp", ALL), f"trainer.max_epochs={epochs}", "logger=none",
        "trainer.enable_progress_bar=false", "trainer.accelerator=cpu",
    ]  # fmt: skip
    sweep = [*run[:2], "-m", *run[2:], f"seed=range({jobs})"]
    return {
        "a command each": [[*run, f"seed={seed}", f"hydra.run.dir={folder}/{seed}"] for seed in range(jobs)],
        "one after the other": [[*sweep, f"hydra.sweep.dir={folder}/basic"]],
        OURS: [[*sweep, f"hydra.sweep.dir={folder}/joblib", "hydra/launcher=joblib"]],
    }


def seconds(commands: list[list[str]]) -> float:
    """The wall time of commands, one after the other, with as many threads as torch takes by itself."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    start = perf_counter()
    for command in commands:
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    return perf_counter() - start


def main() -> None:
    """All ways, alternating."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1, help="the best of so many counts")
    arguments = parser.parse_args()
    best: dict[str, float] = {}
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as folder:
            for name, commands in ways(arguments.jobs, arguments.epochs, folder).items():
                best[name] = min(best.get(name, float("inf")), seconds(commands))
    print(f"{arguments.jobs} jobs of {arguments.epochs} epochs, {os.cpu_count()} cores")
    for name, taken in best.items():
        print(f"  {name:<20} {taken:7.1f} s, joblib is {taken / best[OURS]:.2f} times as fast")
    print(f"goal on two cores: {GOAL} over one after the other")


if __name__ == "__main__":
    main()
