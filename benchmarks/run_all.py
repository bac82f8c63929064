"""Every benchmark of the goals, one after the other; each says how busy the machine was.

    python benchmarks/run_all.py --quick > results.txt      # 15 minutes on two idle cores
    python benchmarks/run_all.py                            # over an hour

A script that fails is told of at the end, and the others run all the same.
"""

import argparse
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

from results import ROOT
from training_epochs import environment

SCRIPTS: list[tuple[str, list[str], list[str]]] = [
    ("overhead.py", [], ["--quick"]),
    ("overhead.py", ["--losses"], ["--losses", "--quick"]),
    ("training_epochs.py", [], ["--quick"]),
    ("training_epochs.py", ["--command", "--networks", "mlp", "--threads", "1"], ["--command", "--quick", "--networks",
      "mlp", "--threads", "1", "--rounds", "1"]),
    ("training_epochs.py", ["--models", "vae", "aae", "--threads", "1"], ["--models", "vae", "aae", "--quick",
      "--networks", "mlp", "--threads", "1"]),
    ("failing_wandb.py", [], ["--rounds", "3"]),
    ("startup.py", [], []),
    ("divergence_speed.py", [], []),
    ("evaluation_cost.py", [], ["--quick"]),
    ("sweep_throughput.py", ["--rounds", "3"], ["--epochs", "1"]),
    ("precision.py", [], []),
]  # fmt: skip
"""A script, its arguments, and those of a quick run, where it has one."""


def processor() -> str:
    """Its name, where the system tells."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line]
    return names[0] if names else platform.processor()


def main() -> None:
    """Run them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "pytorch-lightning", "pythae"))
    print(f"{processor()}, Python {platform.python_version()}, {packages}", flush=True)
    failed, begun = [], perf_counter()
    for script, full, quick in SCRIPTS:
        if arguments.quick and script in ("precision.py", "divergence_speed.py"):
            continue
        command = [sys.executable, str(ROOT / "benchmarks" / script), *(quick if arguments.quick else full)]
        print(f"\n## {' '.join([script, *command[2:]])}", flush=True)
        start = perf_counter()
        done = subprocess.run(command, env=environment(1), cwd=ROOT, check=False)
        print(f"({perf_counter() - start:.0f} s, {perf_counter() - begun:.0f} s in all)", flush=True)
        if done.returncode:
            failed.append(script)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
