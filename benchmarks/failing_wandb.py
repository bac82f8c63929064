"""Promise 2 of docs/reliability.md: training is as quick where W&B's server fails as without W&B.

    python benchmarks/failing_wandb.py              # 7 windows of each, some 3 minutes on two idle cores
    python benchmarks/failing_wandb.py --rounds 3

Epochs of the main job (`mlp`, one thread) in turns: without a logger, logged offline, and logged online to a server on
127.0.0.1 that falls silent, or answers 500, once the run has begun.
"""

import argparse
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from results import ROOT
from training_epochs import IN_TURNS, environment, ours
from windows import alternate, load_told

sys.path.append(str(ROOT / "tests" / "faults"))
from wandb_server import wandb_server

EXAMPLES = 25600
FAULTS = {"silent": "hang", "answers 500": "500"}
FAULTLESS = 2
"""Requests that a server still answers: those by which a run begins."""


def main() -> None:
    """Print images per second of each, and their ratios to none."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="windows of each")
    rounds = parser.parse_args().rounds
    with ExitStack() as stack, load_told():
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))

        def training(name: str, overrides: list[str], variables: dict[str, str]) -> list[str]:
            set_ = [f"{key}={value}" for key, value in variables.items()]
            return ["env", *set_, *ours("mlp", EXAMPLES, folder / name, [*overrides, *IN_TURNS])]

        commands = {
            "none": training("none", ["logger=none"], {}),
            "offline": training("offline", ["logger=wandb_offline"], {}),
        }
        for name, fault in FAULTS.items():
            server = stack.enter_context(wandb_server(fault, FAULTLESS))
            account = {"WANDB_MODE": "online", "WANDB_BASE_URL": server.url, "WANDB_API_KEY": "0" * 40}
            commands[name] = training(name.replace(" ", "_"), ["logger=wandb"], account)
        table = alternate(commands, environment(1) | {"HOME": str(folder)}, folder, rounds, EXAMPLES)
        begun_online = [path.parent.parent.name for path in folder.glob("*/wandb/run-*")]
    print(f"\nmlp, 1 thread, epochs of {EXAMPLES} images, medians of {rounds} windows (lowest-highest)")
    print("| W&B | images/s | by CPU time | against none |\n|---|---|---|---|")
    for name, rate in table.items():
        print(f"| {name} | {rate} | {rate.by_cpu:,.0f} | {rate.median / table['none'].median:.2f} |")
    print(f"begun online: {', '.join(sorted(begun_online))}; {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
