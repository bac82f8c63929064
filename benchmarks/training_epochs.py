"""Goal 1: whole epochs through train.py, as a user runs it, against pythae's trainer and the tutorial's loop.

    pip install -r requirements-bench.txt
    python benchmarks/training_epochs.py              # both networks, one and two threads; half an hour on two cores
    python benchmarks/training_epochs.py --quick      # less of the data, 3 windows; 6 minutes
    python benchmarks/training_epochs.py --networks mlp --threads 1 --command
    python benchmarks/training_epochs.py --networks mlp --threads 1 --models vae aae

An epoch of train.py is all that its defaults bring: the steps, validation, q(z) of 10,000 training images, the
W&B logger (offline), the progress bar on a terminal, and checkpoints. One of pythae is the steps and its validation;
one of the tutorial the steps alone. Where an epoch is part of the training images, so is all measuring, in proportion.
Each runs in a process of its own, an epoch at a time, in turns. --command measures whole commands, from start to exit,
instead.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path
from time import perf_counter

from results import ROOT
from training_workers import ALL, BATCH, MODELS, NETWORKS, settings
from windows import alternate, load_told

HERE = Path(__file__).parent
EXAMPLES = {"mlp": ALL, "conv": 12800}
ENDLESS = 100000
"""Epochs of a contender that ends when there are no more turns."""

IN_TURNS = ["+callbacks.turns._target_=callbacks.Turns", f"trainer.max_epochs={ENDLESS}"]
MEASURED = 10000
"""Training images by which train.py measures q(z) after an epoch of all."""

QUICK = {"mlp": 12800, "conv": 2560}
OPTIONS = {
    "mlp": {
        "train.py": [],
        "train.py, compiled": ["compile=true"],
        "train.py, float32": ["trainer.precision=32-true"],
    },
    "conv": {"train.py": [], "train.py, float32": ["trainer.precision=32-true"]},
}
PEERS = {"infovae": ("pythae", "tutorial"), "vae": ("pythae", "tutorial"), "aae": ("pythae",)}
GOALS = {"mlp": {"pythae": (1.4, 2.3), "tutorial": (1.4, 3.0)}, "conv": {"pythae": (1.4, 2.0), "tutorial": (1.4, 3.0)}}
"""Times as fast: with the defaults, and with what is fastest."""


def ours(network: str, examples: int, folder: Path, overrides: list[str], model: str = "infovae") -> list[str]:
    """The command of a user, in a folder of its own."""
    return [
        sys.executable, str(ROOT / "train.py"), *settings(network, examples, model),
        f"data.measured_train_size={round(MEASURED * examples / ALL)}",
        *overrides, f"hydra.run.dir={folder}",
    ]  # fmt: skip


def peer(name: str, network: str, examples: int, epochs: int = ENDLESS, model: str = "infovae") -> list[str]:
    """A worker's command."""
    return [
        sys.executable, str(HERE / "training_workers.py"), name, network, str(examples), str(epochs),
        f"--model={model}",
    ]  # fmt: skip


def environment(threads: int) -> dict[str, str]:
    """Of every contender."""
    return {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "WANDB_MODE": "offline",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(HERE)]),
    }


def epochs_table(model: str, network: str, threads: int, examples: int, rounds: int) -> None:
    """Alternate epochs, and print what came out."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands = {
            option: ours(network, examples, folder / str(i), [*overrides, *IN_TURNS], model)
            for i, (option, overrides) in enumerate(OPTIONS[network].items())
        }
        commands |= {name: peer(name, network, examples, model=model) for name in PEERS[model]}
        images = examples // BATCH * BATCH
        table = alternate(commands, environment(threads), folder, rounds, images)
    print(f"\n{model}, {network}, {threads} thread(s), epochs of {images} images, medians of {rounds} (lowest-highest)")
    print(f"| | images/s | by CPU time |{''.join(f' against {name} |' for name in PEERS[model])}")
    print(f"|---|---|---|{'---|' * len(PEERS[model])}")
    for option, rate in table.items():
        ratios = " | ".join(f"{rate.median / table[name].median:.2f}" for name in PEERS[model])
        print(f"| {option} | {rate} | {rate.by_cpu:,.0f} | {ratios} |", flush=True)
    fastest = max(OPTIONS[network], key=lambda option: table[option].median)
    for name in PEERS[model]:
        plain, best = (table[option].median / table[name].median for option in ("train.py", fastest))
        wanted = GOALS[network][name]
        print(f"against {name}: defaults {plain:.2f} (goal {wanted[0]}), {fastest} {best:.2f} (goal {wanted[1]})")


def commands_table(model: str, network: str, threads: int, examples: int, rounds: int, epochs: int) -> None:
    """Seconds of whole commands, in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in (*OPTIONS[network], *PEERS[model])}
    for _ in range(rounds):
        for name, taken in seconds.items():
            with tempfile.TemporaryDirectory() as folder:
                if name in PEERS[model]:
                    command = peer(name, network, examples, epochs, model)
                else:
                    overrides = [*OPTIONS[network][name], f"trainer.max_epochs={epochs}"]
                    command = ours(network, examples, Path(folder), overrides, model)
                start = perf_counter()
                subprocess.run(command, env=environment(threads), cwd=ROOT, check=True, capture_output=True)
                taken.append(perf_counter() - start)
    print(f"\n{model}, {network}, {threads} thread(s): commands of {epochs} epochs of {examples} images, start to exit")
    print("| | seconds |\n|---|---|")
    for name, taken in seconds.items():
        print(f"| {name} | {statistics.median(taken):.1f} ({min(taken):.1f}-{max(taken):.1f}) |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["infovae"])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, help="windows of each contender")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--command", action="store_true", help="time whole commands instead")
    parser.add_argument("--epochs", type=int, default=3, help="of a whole command")
    arguments = parser.parse_args()
    examples = QUICK if arguments.quick else EXAMPLES
    rounds = arguments.rounds or (3 if arguments.quick or arguments.command else 5)
    with load_told():
        for model, network, threads in product(arguments.models, arguments.networks, arguments.threads):
            if arguments.command:
                commands_table(model, network, threads, examples[network], rounds, arguments.epochs)
            else:
                epochs_table(model, network, threads, examples[network], rounds)


if __name__ == "__main__":
    main()
