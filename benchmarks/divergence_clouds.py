"""Each divergence alone draws clouds of 2,000 points in the plane to N(0, I): two tables with a picture a row.

    python benchmarks/divergence_clouds.py            # all, minutes; writes docs/divergences.md and its figures
    python benchmarks/divergence_clouds.py mmd stein  # these only: printed, pictures written, the page left alone

The points start near the prior or far from it and follow minibatches of 256 by Adam, as codes would in training. Where
log q(z|x) is needed each point has a posterior of variance 0.05, whose samples are what is measured and drawn.
"""

import sys
from time import perf_counter
from typing import Any

import torch
from divergence_options import all_divergences, codes_at, make
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from results import ROOT, write_between_markers, write_csv
from torch import Tensor

from infovae.divergences.divergence import Divergence
from infovae.divergences.kernels import Gaussian
from infovae.metrics.mmd import one_sample_mmd_squared
from infovae.priors.standard_normal import StandardNormal
from infovae.reproduction.tables import markdown

POINTS, BATCH, STEPS = 2000, 256, 1500
LEARNING_RATE = 0.03
POSTERIOR_VARIANCE = 0.05
STARTS = {"near": ((1.5, -1.0), 0.5), "far": ((3.0, -2.0), 0.3)}  # mean and standard deviation of the points
FIGURES = ROOT / "docs" / "figures"

Row = dict[str, Any]


def start_cloud(start: str) -> Tensor:
    """The points before the first step."""
    mean, deviation = STARTS[start]
    return torch.tensor(mean) + deviation * torch.randn(POINTS, 2, generator=torch.Generator().manual_seed(0))


def minimise(divergence: Divergence, start: str) -> list[Tensor]:
    """The cloud at the start, a fifth of the way and the end, as samples of q(z)."""
    torch.manual_seed(0)
    prior = StandardNormal(2)
    points = start_cloud(start).requires_grad_()
    optimizer = torch.optim.Adam([points], lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    seen = []
    for step in range(STEPS + 1):
        if step in (0, STEPS // 5, STEPS):
            seen.append(codes_at(points.detach(), divergence, POSTERIOR_VARIANCE, POINTS).z.clone())
        chosen = torch.randperm(POINTS)[:BATCH]
        codes = codes_at(points[chosen], divergence, POSTERIOR_VARIANCE, POINTS)
        divergence.adapt(codes.detach(), prior)
        optimizer.zero_grad()
        divergence(codes, prior).backward()
        optimizer.step()
        schedule.step()
    return seen


def measure(cloud: Tensor) -> dict[str, float]:
    """Mean, covariance and the evaluation MMD with the standard error that independent draws would give it."""
    z = cloud.double()
    covariance = torch.cov(z.T)
    kernel, bandwidth = Gaussian(), 2.0
    mmd, error = one_sample_mmd_squared(
        z,
        kernel,
        bandwidth,
        kernel.normal_mean(z, bandwidth),
        torch.tensor(kernel.normal_mean_mean(2, bandwidth), dtype=torch.float64),
    )
    numbers = (*z.mean(dim=0), covariance[0, 0], covariance[1, 1], covariance[0, 1], mmd, error)
    names = ("mean 1", "mean 2", "variance 1", "variance 2", "covariance", "mmd", "mmd_standard_error")
    return {name: number.item() for name, number in zip(names, numbers, strict=True)}


def draw(picture: str, clouds: list[Tensor]) -> None:
    """Start, a fifth of the way and end, against the prior's circles of 1, 2 and 3 standard deviations."""
    figure = Figure(figsize=(6, 2), layout="constrained")
    axes = figure.subplots(1, 3)
    titles = ("start", f"step {STEPS // 5}", f"step {STEPS}")
    for axis, cloud, title in zip(axes, clouds, titles, strict=True):
        for radius in (1, 2, 3):
            axis.add_patch(Circle((0, 0), radius, fill=False, color="0.4", linewidth=0.8))
        axis.scatter(*cloud.T, s=0.6, color="tab:blue", alpha=0.6, linewidths=0)
        axis.set(xlim=(-4.2, 4.2), ylim=(-4.2, 4.2), aspect="equal", xticks=[], yticks=[])
        axis.set_title(title, fontsize=8)
    figure.savefig(FIGURES / "clouds" / picture, dpi=80)


def table(rows: list[Row]) -> str:
    """The rows as Markdown, each with its picture."""
    header = ["divergence", "mean", "variances", "covariance", "MMD² · 10⁴", "s"]
    return markdown(
        [*header, f"start, step {STEPS // 5}, step {STEPS}"],
        [
            [
                row["name"],
                f"{row['mean 1']:+.3f}, {row['mean 2']:+.3f}",
                f"{row['variance 1']:.3f}, {row['variance 2']:.3f}",
                f"{row['covariance']:+.3f}",
                f"{1e4 * row['mmd']:.2f} ± {1e4 * row['mmd_standard_error']:.2f}",
                f"{row['seconds']:.0f}",
                f"![{row['name']}, {row['start']}](figures/clouds/{row['picture']})" if row["picture"] else "",
            ]
            for row in rows
        ],
    )


def reference(name: str, cloud: Tensor, start: str) -> Row:
    """A row for a cloud that nothing was done to."""
    return {"name": name, "start": start, **measure(cloud), "seconds": 0.0, "picture": ""}


def run(name: str, overrides: list[str], start: str) -> Row:
    """One divergence from one start."""
    torch.manual_seed(0)
    divergence = make(overrides, latent_dim=2)
    began = perf_counter()
    clouds = minimise(divergence, start)
    seconds = perf_counter() - began
    picture = f"{name}-{start}.png"
    draw(picture, clouds)
    return {"name": name, "start": start, **measure(clouds[-1]), "seconds": seconds, "picture": picture}


def main(names: list[str]) -> None:
    """Run, write and print."""
    torch.set_num_threads(1)
    (FIGURES / "clouds").mkdir(parents=True, exist_ok=True)
    everything: list[Row] = []
    for start in STARTS:
        torch.manual_seed(1)
        rows = [
            reference("*start*", start_cloud(start), start),
            reference("*2,000 draws of N(0, I)*", torch.randn(POINTS, 2), start),
        ]
        for name, overrides in all_divergences().items():
            if not names or name in names:
                rows.append(run(name, overrides, start))
                print(table(rows[-1:]).splitlines()[-1], flush=True)
        everything += rows
        if not names:
            write_between_markers("divergences.md", f"clouds-{start}", table(rows))
    if not names:
        write_csv(FIGURES / "clouds.csv", everything)


if __name__ == "__main__":
    main(sys.argv[1:])
