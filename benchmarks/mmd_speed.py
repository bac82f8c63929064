"""Exact Gaussian MMD, forward and backward, against the usual implementation; and its memory as n grows.

python benchmarks/mmd_speed.py      prints two tables; two minutes on one core

The usual implementation expands to an (n, m, d) tensor of differences and leaves the gradient to autograd. Times are
CPU times of one thread, medians over alternating windows on the same data. Memory is the rise of a process's peak
resident size over one forward and backward, each in a process of its own (Linux only).
"""

import argparse
import multiprocessing
import statistics
from collections.abc import Callable
from pathlib import Path
from time import process_time

import torch
from torch import Tensor

from infovae.divergences.kernels import Gaussian
from infovae.divergences.mmd import mmd_squared
from infovae.divergences.stein import ksd_squared, stein_direction

GOALS = {(128, 10): 6, (128, 64): 20, (1024, 10): 15, (1024, 64): 80}
"""Times as fast as the usual implementation, by (n, d)."""

WINDOWS = 7
SECONDS = 0.5
"""What each window takes, roughly."""


def usual(z_q: Tensor, z_p: Tensor) -> Tensor:
    """Expand, exponentiate, sum, take out the diagonal."""
    n, m, d = len(z_q), len(z_p), z_q.shape[1]

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return torch.exp(-(x[:, None, :] - y[None, :, :]).pow(2).sum(dim=2) / (2 * d))

    k_qq, k_pp, k_qp = kernel(z_q, z_q), kernel(z_p, z_p), kernel(z_q, z_p)
    within_q = (k_qq.sum() - k_qq.diagonal().sum()) / (n * (n - 1))
    within_p = (k_pp.sum() - k_pp.diagonal().sum()) / (m * (m - 1))
    return within_q + within_p - 2 * k_qp.mean()


def ours(z_q: Tensor, z_p: Tensor) -> Tensor:
    """divergence=mmd."""
    return mmd_squared(z_q, z_p, Gaussian(), float(z_q.shape[1]))


def stein(z_q: Tensor, z_p: Tensor) -> Tensor:
    """divergence=stein: the direction and the reported value, for N(0, I)."""
    z, bandwidth = z_q.detach(), float(z_q.shape[1])
    direction = stein_direction(z, -z, Gaussian(), bandwidth)
    return ksd_squared(z, -z, Gaussian(), bandwidth) - (direction * z_q).sum(dim=1).mean()


METHODS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"usual": usual, "ours": ours, "stein": stein}


def step(method: str, z_q: Tensor, z_p: Tensor) -> None:
    """One forward and backward."""
    z_q.grad = None
    METHODS[method](z_q, z_p).backward()


def samples(n: int, d: int) -> tuple[Tensor, Tensor]:
    """Codes that require a gradient, and prior draws."""
    torch.manual_seed(0)
    return (1.1 * torch.randn(n, d)).requires_grad_(), torch.randn(n, d)


def times(n: int, d: int) -> dict[str, float]:
    """Seconds by method."""
    z_q, z_p = samples(n, d)
    repetitions, windows = {}, {method: list[float]() for method in METHODS}
    for method in METHODS:
        step(method, z_q, z_p)
        start = process_time()
        step(method, z_q, z_p)
        repetitions[method] = max(1, int(SECONDS / (process_time() - start)))
    for _ in range(WINDOWS):
        for method, count in repetitions.items():
            start = process_time()
            for _ in range(count):
                step(method, z_q, z_p)
            windows[method].append((process_time() - start) / count)
    return {method: statistics.median(seconds) for method, seconds in windows.items()}


def peak_megabytes(method: str, n: int, d: int) -> float:
    """What one step adds to the peak of a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (method, n, d))


def _peak(method: str, n: int, d: int) -> float:
    torch.set_num_threads(1)
    step(method, *samples(8, d))  # loads what any step needs
    z_q, z_p = samples(n, d)
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = _peak_kilobytes()
    step(method, z_q, z_p)
    return (_peak_kilobytes() - before) / 1024


def _peak_kilobytes() -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", type=int, nargs="*", default=[8192, 32768], help="n of the rows without a peer")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("|n|d|usual, ms|ours, ms|ratio|goal|usual, MB|ours, MB|Stein, ms|\n|---|---|---|---|---|---|---|---|---|")
    for (n, d), goal in GOALS.items():
        seconds = times(n, d)
        cells = [f"{1000 * seconds[name]:.2f}" for name in ("usual", "ours")]
        cells += [f"{seconds['usual'] / seconds['ours']:.1f}", f"{goal}"]
        cells += [f"{peak_megabytes(name, n, d):.1f}" for name in ("usual", "ours")]
        print(f"|{n}|{d}|{'|'.join(cells)}|{1000 * seconds['stein']:.2f}|", flush=True)
    print("\n|n|d|ours, s|ours, MB|Stein, s|Stein, MB|\n|---|---|---|---|---|---|")
    for n in arguments.large:
        z_q, z_p = samples(n, 10)
        cells = []
        for name in ("ours", "stein"):
            start = process_time()
            step(name, z_q, z_p)
            cells += [f"{process_time() - start:.2f}", f"{peak_megabytes(name, n, 10):.1f}"]
        print(f"|{n}|10|{'|'.join(cells)}|", flush=True)


if __name__ == "__main__":
    main()
