"""How few examples bias the disentanglement metrics: codes that are the factors, and codes that are noise.

python benchmarks/disentanglement_small_groups.py          writes docs/figures/disentanglement_small_groups.csv

Splits of a grid of 3 x 3 x 8 x 8 x 8 factor values are drawn at random. A row gives a score's mean over 8 draws and
their standard deviation.
"""

import statistics
from itertools import product

import torch
from results import ROOT, write_csv
from torch import Tensor

from infovae.codes import Codes
from infovae.data.examples import DataSet, Examples
from infovae.data.module import DataModule
from infovae.metrics.beta_vae_score import BetaVAEScore
from infovae.metrics.factor_vae_score import FactorVAEScore
from infovae.metrics.mig import MIG
from infovae.metrics.sap import SAP

COUNTS = (3, 3, 8, 8, 8)
SIZES = (150, 460, 4600)
DRAWS = 8
SCORES = {"mig": MIG, "sap": SAP, "factor_vae_score": FactorVAEScore, "beta_vae_score": BetaVAEScore}


def main() -> None:
    """Measure and write."""
    torch.manual_seed(0)
    grid = torch.cartesian_prod(*map(torch.arange, COUNTS))
    rows = []
    for code, n in product(("factors", "noise"), SIZES):
        found: dict[str, list[float]] = {name: [] for name in SCORES}
        for _ in range(DRAWS):
            factors = grid[torch.randperm(len(grid))[:n]]
            z = factors.float() if code == "factors" else torch.randn(n, len(COUNTS))
            for name in SCORES:
                found[name].append(score(name, z, factors))
        for name, values in found.items():
            mean, deviation = statistics.mean(values), statistics.stdev(values)
            rows.append({"code": code, "examples": n, "score": name, "mean": mean, "standard_deviation": deviation})
            print(f"{code} {n} {name}: {mean:.3f} +- {deviation:.3f}", flush=True)
    write_csv(ROOT / "docs/figures/disentanglement_small_groups.csv", rows)


def score(name: str, z: Tensor, factors: Tensor) -> float:
    """One metric of codes without noise."""
    part = Examples(torch.zeros(len(z), 1, 1, 1, dtype=torch.uint8), factors[:, 0], factors)
    metric = SCORES[name](DataModule(lambda: DataSet(part, part), validation_size=0))
    metric.update(Codes(z, z, torch.zeros_like(z), len(z)), factors)
    return float(metric.compute()[name])


if __name__ == "__main__":
    main()
