"""How much faster a sweep is with hydra/launcher=joblib than one job after the other with default threads.

    python benchmarks/sweep_throughput.py                          # 8 jobs of 2 epochs, both ways, minutes
    python benchmarks/sweep_throughput.py --jobs 4 --epochs 1      # a quick look

prints the wall time of each way, and their ratio; the goal on two cores is 1.7. Everything counts: starting processes,
reading data, training, measuring, pictures. The machine must have nothing else to do.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).parents[1]
GOAL = 1.7
WAYS = {"one after the other": [], "joblib": ["hydra/launcher=joblib"]}


def seconds(jobs: int, epochs: int, launcher: list[str]) -> float:
    """The wall time of one sweep, in a folder of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, str(ROOT / "train.py"), "-m", "network=mlp", f"trainer.max_epochs={epochs}", "logger=none",
            f"seed=range({jobs})", f"hydra.sweep.dir={folder}", "trainer.enable_progress_bar=false",
            "trainer.accelerator=cpu", f"data.root={ROOT / 'data'}", *launcher,
        ]  # fmt: skip
        start = perf_counter()
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
        return perf_counter() - start


def main() -> None:
    """Both ways, alternating."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1, help="the best of so many counts")
    arguments = parser.parse_args()
    best = {name: float("inf") for name in WAYS}
    for _ in range(arguments.rounds):
        for name, launcher in WAYS.items():
            best[name] = min(best[name], seconds(arguments.jobs, arguments.epochs, launcher))
    print(f"{arguments.jobs} jobs of {arguments.epochs} epochs, {os.cpu_count()} cores")
    for name, taken in best.items():
        print(f"  {name:<20} {taken:7.1f} s")
    print(f"  {best['one after the other'] / best['joblib']:.2f} times as fast (goal on two cores: {GOAL})")


if __name__ == "__main__":
    main()
