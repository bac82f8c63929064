"""Goal 2: what train.py costs beside bare loops that do the same arithmetic on the same bytes.

    python benchmarks/overhead.py                      # both networks, one and two threads; 15 minutes on two cores
    python benchmarks/overhead.py --quick              # less of the data, 3 windows; 3 minutes
    python benchmarks/overhead.py --losses             # instead: the losses of both, side by side, epoch by epoch

A window is an epoch, or its steps alone, of each in a process of its own, in turns. A bare loop
(training_workers.py) has no callback, no log, no look at the numbers; from the same weights it draws the same batches
and the same noise, so that its losses agree.
"""

import argparse
import csv
import subprocess
import tempfile
from pathlib import Path

from results import ROOT
from training_epochs import IN_TURNS, environment, ours, peer
from training_workers import BATCH, NETWORKS
from windows import alternate, load_told

EXAMPLES = {"mlp": 55000, "conv": 6400}
QUICK = {"mlp": 25600, "conv": 2560}
GOALS = {"mlp": 0.85, "conv": 0.95}
FAST = ["trainer.precision=bf16-mixed", "compile=true"]
ALONE = "+callbacks.turns.steps_alone=true"


def ratio(network: str, threads: int, examples: int, rounds: int) -> None:
    """Alternate, and print what came out."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = {
            "train.py, whole epochs": FAST,
            "train.py, steps alone": [*FAST, ALONE],
            "train.py, float32, steps alone": ["trainer.precision=32-true", ALONE],
        }
        commands = {
            option: ours(network, examples, folder / str(number), [*IN_TURNS, *overrides])
            for number, (option, overrides) in enumerate(options.items())
        }
        commands["bare loop"] = peer("bare_half", network, examples)
        commands["bare loop, float32"] = peer("bare", network, examples)
        images = examples // BATCH * BATCH
        table = alternate(commands, environment(threads), folder, rounds, images)
    print(f"\n{network}, {threads} thread(s), {images // BATCH} steps, medians of {rounds} windows (lowest-highest)")
    print("bf16, compiled, unless said otherwise\n| | images/s | of the bare loop | by CPU time | ms a step |")
    print("|---|---|---|---|---|")
    for option, rate in table.items():
        other = table["bare loop, float32" if "float32" in option else "bare loop"]
        ratios = f"{rate.median / other.median:.2f} | {rate.by_cpu / other.by_cpu:.2f}"
        print(f"| {option} | {rate} | {ratios} | {1000 * BATCH / rate.median:.2f} |")
    whole = table["train.py, whole epochs"].median / table["bare loop"].median
    print(f"whole epochs: {whole:.2f} of the bare loop (goal {GOALS[network]})", flush=True)


def losses(network: str, examples: int, epochs: int) -> None:
    """Print the training losses of both."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for command in (
            ours(network, examples, folder / "run", [f"trainer.max_epochs={epochs}", "trainer.precision=32-true"]),
            peer("bare", network, examples, epochs),
        ):
            done = subprocess.run(command, env=environment(1), cwd=ROOT, check=True, capture_output=True, text=True)
        bare = [float(line.split()[-1]) for line in done.stdout.splitlines() if line.startswith("epoch")]
        with (folder / "run" / "metrics.csv").open() as file:
            kept = [float(row["train/loss"]) for row in csv.DictReader(file)]
    print(f"\n{network}: training loss by epoch\n| epoch | train.py | bare loop |\n|---|---|---|")
    for epoch, (one, other) in enumerate(zip(kept, bare, strict=True)):
        print(f"| {epoch + 1} | {one:.4f} | {other:.4f} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--losses", action="store_true")
    arguments = parser.parse_args()
    examples = QUICK if arguments.quick else EXAMPLES
    with load_told():
        for network in arguments.networks:
            if arguments.losses:
                losses(network, examples[network], epochs=3)
                continue
            for threads in arguments.threads:
                ratio(network, threads, examples[network], arguments.rounds or (3 if arguments.quick else 5))


if __name__ == "__main__":
    main()
