"""How much noise the linear-cost MMD estimators add to the U-statistic's own.

python benchmarks/mmd_estimators.py            writes docs/figures/mmd_estimators.csv, some minutes on one core

Each estimator sees the same pairs of samples as the U-statistic, with the kernel exp(-||x - y||^2 / (2 d)): both from
N(0, I) (shift 0), or q moved by 0.5 along one axis. A row gives the estimator's standard deviation over repetitions in
units of the U-statistic's, its bias in standard errors, and its time, forward and backward, against the U-statistic's.
"""

import argparse
import statistics
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from time import process_time

import torch
from results import ROOT, write_csv
from torch import Tensor

from infovae.divergences.kernels import Gaussian
from infovae.divergences.mmd import mmd_squared
from infovae.divergences.mmd_block import block_mmd_squared
from infovae.divergences.mmd_fourier import fourier_mmd_squared

Estimator = Callable[[Tensor, Tensor], Tensor]

SIZES = (128, 1024, 4096)
DIMENSIONS = (2, 10, 64)
SHIFTS = (0.0, 0.5)


def estimators(n: int, d: int) -> dict[str, Estimator]:
    """The U-statistic and what is compared with it, by name."""
    kernel, squared_bandwidth = Gaussian(), float(d)

    def u_statistic(z_q: Tensor, z_p: Tensor) -> Tensor:
        return mmd_squared(z_q, z_p, kernel, squared_bandwidth)

    def block(size: int) -> Estimator:
        return lambda z_q, z_p: block_mmd_squared(z_q, z_p, kernel, squared_bandwidth, size)

    def fourier(features: int) -> Estimator:
        return lambda z_q, z_p: fourier_mmd_squared(z_q, z_p, torch.randn(features, d) / squared_bandwidth**0.5)

    blocks = {f"block, {size}": block(size) for size in (2, 32, 128) if size < n}
    return {"u": u_statistic} | blocks | {f"fourier, {features}": fourier(features) for features in (64, 512)}


def measure(n: int, d: int, shift: float, repetitions: int) -> Iterator[dict[str, object]]:
    """One row an estimator."""
    torch.manual_seed(0)
    compared = estimators(n, d)
    values: dict[str, list[float]] = {name: [] for name in compared}
    seconds: dict[str, list[float]] = {name: [] for name in compared}
    for _ in range(repetitions):
        z_q, z_p = torch.randn(n, d), torch.randn(n, d)
        z_q[:, 0] += shift
        z_q.requires_grad_()
        for name, estimator in compared.items():
            start = process_time()
            value = estimator(z_q, z_p)
            value.backward()
            seconds[name].append(process_time() - start)
            values[name].append(value.item())
    own_noise = statistics.stdev(values["u"])
    own_time = statistics.median(seconds["u"])
    for name in compared:
        difference = [value - reference for value, reference in zip(values[name], values["u"], strict=True)]
        spread = statistics.stdev(difference) / repetitions**0.5
        yield {
            "n": n,
            "d": d,
            "shift": shift,
            "estimator": name,
            "standard_deviation": f"{statistics.stdev(values[name]):.3g}",
            "noise_ratio": f"{statistics.stdev(values[name]) / own_noise:.3g}",
            "bias_in_standard_errors": f"{statistics.mean(difference) / spread:.2f}" if spread else "0",
            "time_ratio": f"{statistics.median(seconds[name]) / own_time:.2g}",
        }


def main() -> None:
    """Measure everything and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/figures/mmd_estimators.csv")
    parser.add_argument("--repetitions", type=int, default=60)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, object]] = []
    for d, n, shift in product(DIMENSIONS, SIZES, SHIFTS):
        for row in measure(n, d, shift, arguments.repetitions):
            rows.append(row)
            print(*row.values(), sep="\t", flush=True)
    write_csv(arguments.out, rows)


if __name__ == "__main__":
    main()
