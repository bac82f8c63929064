"""MMD and Stein's method, forward and backward, against the usual implementations; and their memory as n grows.

python benchmarks/divergence_speed.py               prints two tables; about two minutes on one core
python benchmarks/divergence_speed.py --large       the first alone

The usual implementations expand to an (n, m, d) tensor of differences and leave gradients to autograd. Each has a
process of its own, and so has each of ours; they take turns, on the same data. Times are CPU times, medians of windows.
Memory is the rise of a fresh process's peak resident size over one forward and backward (Linux only).
"""

import argparse
import os
import statistics
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.pool import Pool
from time import process_time

import torch
from peak_memory import alone, forget_peak, peak, process
from torch import Tensor

from infovae.divergences.kernels import Gaussian
from infovae.divergences.mmd import mmd_squared, mmd_squared_to_standard_normal
from infovae.divergences.stein import ksd_squared, stein_direction
from infovae.divergences.value_with_gradient import value_with_gradient

GOALS = {(128, 10): 6, (128, 64): 20, (1024, 10): 15, (1024, 64): 80}
"""Times as fast as the usual implementation, by (n, d)."""

WINDOWS = 7
SECONDS = 0.2
"""What each window takes, roughly."""


def usual_mmd(z_q: Tensor, z_p: Tensor) -> Tensor:
    """Expand, exponentiate, sum, take out the diagonal."""
    n, m, d = len(z_q), len(z_p), z_q.shape[1]

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return torch.exp(-(x[:, None, :] - y[None, :, :]).pow(2).sum(dim=2) / (2 * d))

    k_qq, k_pp, k_qp = kernel(z_q, z_q), kernel(z_p, z_p), kernel(z_q, z_p)
    within_q = (k_qq.sum() - k_qq.diagonal().sum()) / (n * (n - 1))
    within_p = (k_pp.sum() - k_pp.diagonal().sum()) / (m * (m - 1))
    return within_q + within_p - 2 * k_qp.mean()


def sampled_mmd(z_q: Tensor, z_p: Tensor) -> Tensor:
    """divergence=mmd divergence.prior_terms=sampled: the same statistic."""
    return mmd_squared(z_q, z_p, Gaussian(), float(z_q.shape[1]))


def exact_mmd(z_q: Tensor, z_p: Tensor) -> Tensor:
    """divergence=mmd, as it comes: expectations over the prior in closed form."""
    return mmd_squared_to_standard_normal(z_q, Gaussian(), float(z_q.shape[1]))


def usual_stein(z_q: Tensor, z_p: Tensor) -> Tensor:
    """SVGD's direction by autograd of the expanded kernel, and KSD^2 by its definition, for N(0, I)."""
    n, d = z_q.shape
    z = z_q.detach().requires_grad_()
    score = -z.detach()
    kernel = torch.exp(-(z[:, None, :] - score.neg()[None, :, :]).pow(2).sum(dim=2) / (2 * d))
    (repulsion,) = torch.autograd.grad(kernel.sum(), z)
    direction = (kernel.detach() @ score - repulsion) / n
    with torch.no_grad():
        difference = z[:, None, :] - z[None, :, :]
        squared_distance = difference.pow(2).sum(dim=2)
        agreement = ((score[:, None, :] - score[None, :, :]) * difference).sum(dim=2)
        trace = 1 - squared_distance / d**2
        u = kernel * ((score[:, None, :] * score[None, :, :]).sum(dim=2) + agreement / d + trace)
        value = (u.sum() - u.diagonal().sum()) / (n * (n - 1))
    surrogate = -(direction * z_q).sum(dim=1).mean()
    return value + surrogate - surrogate.detach()


def stein(z_q: Tensor, z_p: Tensor) -> Tensor:
    """divergence=stein, with a fixed bandwidth."""
    bandwidth = float(z_q.shape[1])

    def compute(z: Tensor, wants_gradient: bool) -> tuple[Tensor, Tensor]:
        direction = stein_direction(z, -z, Gaussian(), bandwidth)
        return ksd_squared(z, -z, Gaussian(), bandwidth), -direction / len(z)

    return value_with_gradient(z_q, compute)


METHODS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    method.__name__: method for method in (usual_mmd, sampled_mmd, exact_mmd, usual_stein, stein)
}
PEERS = {"sampled_mmd": "usual_mmd", "exact_mmd": "usual_mmd", "stein": "usual_stein"}


def step(method: str, z_q: Tensor, z_p: Tensor) -> None:
    """One forward and backward."""
    z_q.grad = None
    METHODS[method](z_q, z_p).backward()


def samples(n: int, d: int) -> tuple[Tensor, Tensor]:
    """Codes that require a gradient, and prior draws."""
    torch.manual_seed(0)
    return (1.1 * torch.randn(n, d)).requires_grad_(), torch.randn(n, d)


def window(method: str, n: int, d: int) -> float:
    """Seconds a step takes, in the mean of a window."""
    z_q, z_p = samples(n, d)
    step(method, z_q, z_p)
    count, start = 0, process_time()
    while process_time() - start < SECONDS:
        step(method, z_q, z_p)
        count += 1
    return (process_time() - start) / count


def times(workers: dict[str, Pool], n: int, d: int) -> dict[str, float]:
    """Seconds by method."""
    rounds = [{method: pool.apply(window, (method, n, d)) for method, pool in workers.items()} for _ in range(WINDOWS)]
    return {method: statistics.median(found[method] for found in rounds) for method in workers}


def peak_megabytes(method: str, n: int, d: int) -> float:
    """What one step adds to the peak of this process."""
    step(method, *samples(8, d))  # loads what any step needs
    z_q, z_p = samples(n, d)
    before = forget_peak()
    step(method, z_q, z_p)
    return peak() - before


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--large", type=int, nargs="*", default=[8192, 32768], help="n of the rows without a peer")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {arguments.threads} threads\n")
    print("|n|d|what|usual, ms|ours, ms|ratio|goal|usual, MB|ours, MB|\n|---|---|---|---|---|---|---|---|---|")
    for (n, d), goal in GOALS.items():
        with ExitStack() as stack:
            seconds = times({method: stack.enter_context(process(arguments.threads)) for method in METHODS}, n, d)
        megabytes = {method: alone(peak_megabytes, method, n, d) for method in METHODS}
        for ours, usual in PEERS.items():
            ratio = seconds[usual] / seconds[ours]
            print(
                f"|{n}|{d}|{ours}|{1000 * seconds[usual]:.2f}|{1000 * seconds[ours]:.3f}|{ratio:.1f}|{goal}"
                f"|{megabytes[usual]:.1f}|{megabytes[ours]:.1f}|",
                flush=True,
            )
    if arguments.large:
        print("\n|n|d|what|s|MB|\n|---|---|---|---|---|")
    for n in arguments.large:
        for ours in PEERS:
            z_q, z_p = samples(n, 10)
            start = process_time()
            step(ours, z_q, z_p)
            print(f"|{n}|10|{ours}|{process_time() - start:.2f}|{alone(peak_megabytes, ours, n, 10):.1f}|", flush=True)


if __name__ == "__main__":
    main()
