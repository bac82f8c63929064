"""Goal 1, its condition: whether bfloat16 ends with the test ELBO of float32, to within the noise of seeds.

    python benchmarks/precision.py                               # mlp, 10 epochs, seeds 1 to 3; 6 minutes on one core
    python benchmarks/precision.py --networks conv --epochs 2
    python benchmarks/precision.py --quick

Both precisions start from the same weights and see the same batches and noise under the same seed, so their differences
are paired: printed are the ELBOs in nats, the mean difference over seeds, and beside it the standard deviation of
float32 over seeds.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
from pathlib import Path

from results import ROOT
from training_epochs import environment, ours
from training_workers import NETWORKS
from windows import load_told

PRECISIONS = ("32-true", "bf16-mixed")
TERMS = ("elbo", "reconstruction", "rate", "mmd", "log_det_covariance")


def measured(network: str, precision: str, seed: int, epochs: int, examples: int) -> dict[str, float]:
    """The test metrics of one run."""
    with tempfile.TemporaryDirectory() as name:
        overrides = [f"trainer.precision={precision}", f"seed={seed}", f"trainer.max_epochs={epochs}", "logger=none"]
        command = ours(network, examples, Path(name), overrides)
        subprocess.run(command, env=environment(1), cwd=ROOT, check=True, capture_output=True)
        metrics: dict[str, float] = json.loads((Path(name) / "summary.json").read_text())["metrics"]
    return {term: metrics[f"test/{term}"] for term in TERMS}


def compare(network: str, epochs: int, seeds: list[int], examples: int) -> None:
    """Print both, seed by seed."""
    print(f"\n{network}, {epochs} epochs of {examples} images, test split\n| seed | precision | {' | '.join(TERMS)} |")
    print("|---|---|" + "---|" * len(TERMS))
    elbos: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    for seed in seeds:
        for precision in PRECISIONS:
            found = measured(network, precision, seed, epochs, examples)
            elbos[precision].append(found["elbo"])
            print(f"| {seed} | {precision} | {' | '.join(f'{found[term]:.5g}' for term in TERMS)} |", flush=True)
    full, half = (elbos[precision] for precision in PRECISIONS)
    differences = [one - other for one, other in zip(half, full, strict=True)]
    error = statistics.stdev(differences) / len(seeds) ** 0.5
    print(
        f"ELBO, bf16-mixed less 32-true: {statistics.mean(differences):+.3f} nats, standard error {error:.3f}; "
        f"standard deviation of 32-true over seeds {statistics.stdev(full):.3f}",
        flush=True,
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=["mlp"])
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--examples", type=int, default=55000)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--quick", action="store_true", help="2 epochs")
    arguments = parser.parse_args()
    with load_told():
        for network in arguments.networks:
            epochs = arguments.epochs or (2 if arguments.quick else 10)
            compare(network, epochs, arguments.seeds, arguments.examples)


if __name__ == "__main__":
    main()
