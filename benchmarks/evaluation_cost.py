"""Goal 5: what measuring costs: over 60,000 examples in bounded memory, and by default in each epoch.

    python benchmarks/evaluation_cost.py               # two tables; 5 minutes on two cores
    python benchmarks/evaluation_cost.py --quick       # fewer epochs

The first table has each metric in a process of its own, over all 60,000 codes: seconds of compute(), and how far the
peak of the process's memory rises over it (Linux). The second has the medians over epochs of what an epoch of the main
job consists of; validation is that of the validation split, with its metrics.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import torch
from peak_memory import alone, forget_peak, peak
from results import ROOT
from training_epochs import environment, ours
from windows import load_told

from infovae.codes import Codes
from infovae.metrics.aggregate_information import AggregateInformation
from infovae.metrics.log_det_covariance import LogDetCovariance
from infovae.metrics.metric import CodeMetric
from infovae.metrics.mmd import MMDToPrior
from infovae.priors.standard_normal import StandardNormal

N, BATCH = 60000, 128
METRICS: dict[str, Callable[[StandardNormal], CodeMetric]] = {
    "log det Cov": LogDetCovariance,
    "MMD, 2,000 codes (default)": MMDToPrior,
    "MMD, all codes": lambda prior: MMDToPrior(prior, samples=N),
    "I_q, 2,000 queries (default)": lambda prior: AggregateInformation(prior, examples=N),
    "I_q, all queries": lambda prior: AggregateInformation(prior, examples=N, queries=N),
}
SLOW = {"MMD, all codes", "I_q, all queries"}
RUNS = {
    "mlp": ("mlp", 55000, []),
    "mlp, compiled": ("mlp", 55000, ["compile=true"]),
    "mlp, float32": ("mlp", 55000, ["trainer.precision=32-true"]),
    "conv": ("conv", 55000, []),
}


def metric_cost(name: str, d: int) -> tuple[float, float]:
    """Seconds of compute(), and megabytes by which it raises the peak of this process."""
    metric = METRICS[name](StandardNormal(d))
    for n in (256, N):  # the first loads what any computation needs
        metric.reset()
        mean, variance = torch.randn(n, d), 0.1 + torch.rand(n, d)
        codes = Codes(mean + variance.sqrt() * torch.randn(n, d), mean, variance, n)
        for start in range(0, n, BATCH):
            metric.update(codes.take(slice(start, start + BATCH)))
        before, begun = forget_peak(), perf_counter()
        metric.compute()
        cost = perf_counter() - begun, peak() - before
    return cost


def epoch_parts(network: str, examples: int, overrides: list[str], epochs: int) -> dict[str, float]:
    """Median seconds by part, without the first epoch."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "parts.jsonl"
        callback = ["+callbacks.parts._target_=callbacks.EpochParts", f"+callbacks.parts.path={path}"]
        command = ours(network, examples, Path(name) / "run", [*overrides, *callback, f"trainer.max_epochs={epochs}"])
        subprocess.run(command, env=environment(1), cwd=ROOT, check=True, capture_output=True)
        parts = [json.loads(line) for line in path.read_text().splitlines()][1:]
    return {part: statistics.median(epoch[part] for epoch in parts) for part in parts[0]}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", nargs="*", choices=RUNS, default=["mlp", "mlp, compiled"])
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    with load_told():
        print(f"\n{N:,} codes of 10 dimensions\n| | compute(), s | MB |\n|---|---|---|")
        for name in METRICS:
            if not (arguments.quick and name in SLOW):
                seconds, megabytes = alone(metric_cost, name, 10)
                print(f"| {name} | {seconds:.2f} | {megabytes:.0f} |", flush=True)
        for run in arguments.runs:
            network, examples, overrides = RUNS[run]
            parts = epoch_parts(network, examples, overrides, 5 if arguments.quick else 8)
            whole = sum(parts.values())
            print(f"\n{run}: an epoch of {whole:.2f} s, one thread\n| part | s | share |\n|---|---|---|")
            for part, seconds in parts.items():
                print(f"| {part} | {seconds:.2f} | {100 * seconds / whole:.1f} % |", flush=True)


if __name__ == "__main__":
    main()
