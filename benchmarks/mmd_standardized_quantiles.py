"""How large is the standardised MMD^2 of codes that come from the prior?

python benchmarks/mmd_standardized_quantiles.py     writes docs/figures/mmd_standardized_quantiles.csv, in minutes

A row gives quantiles of the unbiased MMD^2 of n draws from N(0, I) to N(0, I), in units of its standard deviation,
for the kernel exp(-||x - y||^2 / (2 d)). A value above the quantile of a level rejects q = p at that level.
"""

import torch
from results import ROOT, write_csv
from torch import Tensor

from infovae.divergences.kernels import Gaussian
from infovae.divergences.mmd_standardized import null_deviation
from infovae.metrics.mmd import one_sample_mmd_squared

SIZES = {64: 10_000, 512: 1_000}
"""The number of repetitions for each n."""

DIMENSIONS = (1, 2, 10, 32, 64)
LEVELS = (0.5, 0.9, 0.95, 0.99)


def standardized(n: int, d: int) -> Tensor:
    """The value of one sample."""
    kernel, bandwidth = Gaussian(), float(d)
    z = torch.randn(n, d, dtype=torch.float64)
    within = torch.as_tensor(kernel.normal_mean_mean(d, bandwidth))
    value, _ = one_sample_mmd_squared(z, kernel, bandwidth, kernel.normal_mean(z, bandwidth), within)
    return value / null_deviation(n, d, bandwidth)


def main() -> None:
    """Write the table."""
    torch.manual_seed(0)
    rows = []
    for d in DIMENSIONS:
        for n, repetitions in SIZES.items():
            values = torch.stack([standardized(n, d) for _ in range(repetitions)])
            quantiles = {f"quantile_{level}": f"{values.quantile(level):.2f}" for level in LEVELS}
            rows.append({"d": d, "n": n, "repetitions": repetitions, **quantiles})
    write_csv(ROOT / "docs/figures/mmd_standardized_quantiles.csv", rows)


if __name__ == "__main__":
    main()
