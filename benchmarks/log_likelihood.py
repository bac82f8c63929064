"""log p(x) by importance weights and by annealing against its exact value, on a linear-Gaussian VAE.

python benchmarks/log_likelihood.py docs/figures

z ~ N(0, I) in 8 dimensions, x ~ N(Wz, 0.25 I) in 32, encoders with 0.5, 1 and 2 times the true posterior's standard
deviations. Writes log_likelihood.csv and log_likelihood.png: by how much each estimate is off, averaged over images.
"""

import sys
from pathlib import Path

import torch
from matplotlib.figure import Figure
from results import write_csv
from torch import Tensor
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal

from infovae.metrics.annealed_importance import (
    adapt_step_sizes,
    backward_log_likelihood,
    forward_log_likelihood,
    sigmoidal_schedule,
)
from infovae.metrics.averages import mean_and_standard_error
from infovae.metrics.hamiltonian import GeometricPath
from infovae.metrics.importance_weighted import importance_weighted_log_likelihood

LATENT, PIXELS, SCALE, IMAGES, CHAINS = 8, 32, 0.5, 100, 8
SAMPLES = (1, 10, 100, 1000, 5000)
TEMPERATURES = (10, 30, 100, 300, 1000)
WIDTHS = (0.5, 1.0, 2.0)


def main(folder: Path) -> None:
    """Measure, write, draw."""
    torch.manual_seed(0)
    weight = torch.randn(PIXELS, LATENT, dtype=torch.float64) / LATENT**0.5
    prior = Independent(Normal(weight.new_zeros(LATENT), weight.new_ones(LATENT)), 1)

    def decode(z: Tensor) -> Distribution:
        return Independent(Normal(z @ weight.T, SCALE), 1)

    z = prior.sample(torch.Size((IMAGES,)))
    x = decode(z).sample()
    covariance = weight @ weight.T + SCALE**2 * torch.eye(PIXELS, dtype=torch.float64)
    exact = MultivariateNormal(weight.new_zeros(PIXELS), covariance).log_prob(x)
    posterior_covariance = torch.linalg.inv(torch.eye(LATENT, dtype=torch.float64) + weight.T @ weight / SCALE**2)
    mean = x @ weight @ posterior_covariance / SCALE**2

    rows: list[dict[str, float | str]] = []

    def record(method: str, effort: int, value: Tensor) -> None:
        off, error = mean_and_standard_error(value - exact)
        rows.append({"method": method, "effort": effort, "off": off.item(), "standard_error": error.item()})
        print(rows[-1], flush=True)

    for width in WIDTHS:
        proposal = Independent(Normal(mean, width * posterior_covariance.diagonal().sqrt().expand_as(mean)), 1)
        for samples in SAMPLES:
            estimate = importance_weighted_log_likelihood(x, decode, prior, proposal, samples)
            record(f"importance weights, encoder {width:g} x as wide", samples, estimate.value)
    for temperatures in TEMPERATURES:
        path, schedule = GeometricPath(x, decode, prior), sigmoidal_schedule(temperatures)
        step_sizes = adapt_step_sizes(path, schedule, CHAINS)
        record("annealing, forward", temperatures, forward_log_likelihood(path, schedule, step_sizes)[0].value)
        record("annealing, backward", temperatures, backward_log_likelihood(path, z, schedule, step_sizes)[0].value)

    write_csv(folder / "log_likelihood.csv", rows)
    draw(rows, folder / "log_likelihood.png")


def draw(rows: list[dict[str, float | str]], path: Path) -> None:
    """Two panels, one for each estimator, with three standard errors."""
    figure = Figure(figsize=(9, 3.5), dpi=120, layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, kind, effort in (
        (panels[0], "importance", "samples K"),
        (panels[1], "annealing", f"temperatures ({CHAINS} chains)"),
    ):
        axes.axhline(0, color="black", linewidth=0.8)
        for method in dict.fromkeys(str(row["method"]) for row in rows if str(row["method"]).startswith(kind)):
            chosen = [row for row in rows if row["method"] == method]
            efforts, off = ([float(row[key]) for row in chosen] for key in ("effort", "off"))
            errors = [3 * float(row["standard_error"]) for row in chosen]
            axes.errorbar(efforts, off, errors, marker="o", markersize=3, capsize=2, label=method.partition(", ")[2])
        axes.set(xscale="log", xlabel=effort, title=f"{kind} {'weights' if kind == 'importance' else ''}".strip())
        axes.legend(frameon=False, fontsize=8)
    panels[0].set(ylabel="estimate - log p(x), nats", yscale="symlog")
    figure.savefig(path)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/figures"))
