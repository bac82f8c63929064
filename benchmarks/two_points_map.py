"""Where the objective of two points has its minima, over alpha and lambda, and where networks end.

    python benchmarks/two_points_networks.py        # first: trains the networks
    python benchmarks/two_points_map.py             # writes docs/results/two_points_map.png, .csv and the page's tables

The exact objective depends on how far the codes are apart, ratio = |mean| / scale, and on how wide q(z) is. The width
is minimised out, so that a curve over the ratio is left. Minima of that curve are drawn and tabulated.
"""

import csv
import math
from collections.abc import Iterable
from itertools import product
from typing import Any, NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from results import ROOT, write_between_markers, write_csv
from torch import Tensor
from two_points_objective import inference_gap, mmd, pair_rate, reconstruction

from infovae.pictures.canvas import CLASS_COLOURS, rendered, style
from infovae.reproduction.tables import markdown

RESULTS = ROOT / "docs" / "results"
ALPHAS = (0.0, 0.5, 0.9, 1.0)
LAMBDAS = torch.logspace(1, 4, 121, dtype=torch.float64)
FLOORS = (0.0, 0.01, 0.1)
"""Under the decoder's standard deviation, in pixels: none, this project's default, the released code's."""

RATIOS = torch.logspace(-2.5, 1.3, 1501, dtype=torch.float64)
WIDTHS = torch.linspace(0.7, 1.2, 1001, dtype=torch.float64)
"""Standard deviations of q(z)."""

SHARED = 1.5
"""Largest |mean| / scale of two posteriors that overlap: at 1.5, 7 % of q(z|x) lies nearer to the other mean."""

GAP = "KL(q(z given x) ‖ p(z given x))"

COLOURS = dict(zip(ALPHAS, (CLASS_COLOURS[k] for k in (0, 1, 4, 2)), strict=True))


def pairs(ratio: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
    """Means and scales of two codes with |mean| / scale = ratio and mean² + scale² = width²."""
    angle = torch.atan(ratio)
    size, scale = width * angle.sin(), width * angle.cos()
    return torch.stack([-size, size], dim=-1), torch.stack([scale, scale], dim=-1)


class Minimum(NamedTuple):
    """A minimum of the objective."""

    loss: float
    mean: float
    scale: float
    mmd: float
    inference_gap: float


class Landscape:
    """The exact objective with MMD, over a grid of ratios and widths."""

    def __init__(self) -> None:
        self.rates, self.divergences = (
            torch.stack([term(*pairs(ratio, WIDTHS)) for ratio in RATIOS]) for term in (pair_rate, mmd)
        )
        self.fits = {floor: reconstruction(*pairs(RATIOS, torch.ones_like(RATIOS)), 2 * floor) for floor in FLOORS}

    def curve(self, alpha: float, lambda_: float, floor: float) -> tuple[Tensor, Tensor]:
        """The least objective for each ratio, and the width that it has there."""
        penalty = (1 - alpha) * self.rates + (alpha + lambda_ - 1) * self.divergences
        least, where = penalty.min(dim=1)
        return self.fits[floor] + least, WIDTHS[where]

    def lowest(self, alpha: float, lambda_: float, floor: float) -> Minimum | None:
        """The lowest of the local minima, if there is one. Without a floor the loss has no lower bound beyond it."""
        loss, width = self.curve(alpha, lambda_, floor)
        places = ((loss[1:-1] < loss[:-2]) & (loss[1:-1] < loss[2:])).nonzero().flatten() + 1
        if not len(places):
            return None
        k = places[loss[places].argmin()]
        mean, scale = pairs(RATIOS[k], width[k])
        gap = inference_gap(mean, scale, 2 * floor)
        return Minimum(*(float(v) for v in (loss[k], mean[1], scale[1], mmd(mean, scale), gap)))


def thresholds(landscape: Landscape) -> str:
    """A table of the least lambda at which two wide posteriors share the prior, for each alpha and floor."""
    rows = []
    for floor, alpha in product(FLOORS, ALPHAS):
        minima = ((value, landscape.lowest(alpha, value, floor)) for value in LAMBDAS.tolist())
        first = next(value for value, found in minima if found and found.mean < SHARED * found.scale)
        at_1000 = landscape.lowest(alpha, 1000.0, floor)
        assert at_1000
        numbers = f"{at_1000.mean:.2f}", f"{at_1000.scale:.2f}", f"{at_1000.mmd:.5f}", f"{at_1000.inference_gap:.2f}"
        since = f"{first:,.0f}, " + ("global" if floor else "local")
        rows.append([f"{floor:g}" if floor else "none", f"{alpha:g}", since, *numbers])
    header = ["floor, pixels", "α", "minimum from λ", "mean, abs, at λ = 1000", "scale", "MMD²", GAP]
    return markdown(header, rows)


def network_rows() -> list[dict[str, Any]]:
    """What the networks ended with."""
    words = ("divergence", "normalized")
    with (RESULTS / "two_points_networks.csv").open(newline="") as file:
        rows: list[dict[str, Any]] = [
            {key: value if key in words else float(value) for key, value in row.items()} for row in csv.DictReader(file)
        ]
    return [{**row, "weight": row["alpha"] + row["lambda_"] - 1} for row in rows]


def network_table(rows: Iterable[dict[str, Any]]) -> str:
    """Ranges over seeds, of the networks that the picture doesn't show and of those with the MMD of a batch."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    keys = ("divergence", "decoder_floor", "encoder_floor", "normalized", "alpha", "lambda_")
    for row in rows:
        if row["divergence"] == "mmd" and not row["encoder_floor"] and row["normalized"] == "False" and row["weight"]:
            continue
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    lines = []
    for (divergence, decoder, encoder, normalized, alpha, lambda_), own in groups.items():
        held = [f"decoder {decoder:g}"] * bool(decoder) + [f"encoder {encoder:g}"] * bool(encoder)
        held += ["normalised"] * (normalized == "True")
        label = "ELBO" if (alpha, lambda_) == (0, 1) else divergence
        columns = ("elbo", "inference_gap", "separation", "scale", "mmd")
        lines.append(
            [label, ", ".join(held) or "none", f"{alpha:g}", f"{lambda_:g}", *(_range(own, k) for k in columns)]
        )
    header = ["D", "floors", "α", "λ", "ELBO", GAP, "mean, abs", "scale", "MMD²"]
    return markdown(header, lines)


def _range(rows: list[dict[str, Any]], key: str) -> str:
    values = sorted(row[key] for row in rows)
    return " to ".join(dict.fromkeys(f"{value:.2g}" for value in (values[0], values[-1]))).replace("-", "−")


def draw(landscape: Landscape, rows: list[dict[str, Any]]) -> tuple[Figure, list[dict[str, float]]]:
    """Minima against lambda, without and with a floor, networks as marks, and the curve that the minima belong to."""
    data: list[dict[str, float]] = []
    panels = {
        "inference_gap": "$KL(q(z|x)\\,\\|\\,p(z|x))$, nats",
        "mean": "|mean| of $q(z|x)$",
        "scale": "scale of $q(z|x)$",
        "mmd": "MMD²",
    }
    figure = Figure(figsize=(14, 5.6))
    grid = figure.subplots(2, 5)
    for row, floor in zip(grid, (0.0, 0.1), strict=True):
        for alpha in ALPHAS:
            found = []
            for value in LAMBDAS[LAMBDAS >= 30].tolist():
                found.append(landscape.lowest(alpha, value, floor) or Minimum(*[math.nan] * 5))
                data.append({"floor": floor, "alpha": alpha, "lambda_": value, **found[-1]._asdict()})
            for axes, key in zip(row, panels, strict=False):
                axes.plot(
                    LAMBDAS[LAMBDAS >= 30], [getattr(minimum, key) for minimum in found], color=COLOURS[alpha],
                    label=f"α = {alpha:g}",
                )  # fmt: skip
        for axes, (key, title) in zip(row, panels.items(), strict=False):
            _draw_networks(axes, rows, floor, {"mean": "separation"}.get(key, key))
            axes.set(xscale="log", title=title, xlabel="λ", xlim=(30, 10000))
            if key in ("inference_gap", "mmd"):
                axes.set_yscale("log")
        row[0].set_ylabel(f"floor of {floor:g} pixels under\nthe decoder's scale" if floor else "no floor")
        for value, dashes in zip((100.0, 316.0, 1000.0), ("dotted", "dashed", "solid"), strict=True):
            loss, _ = landscape.curve(1.0, value, floor)
            row[4].plot(RATIOS, loss, color=COLOURS[1.0], linestyle=dashes, label=f"α = 1, λ = {value:g}")
        row[4].set(xscale="log", xlim=(0.05, 20), ylim=(-4, 3), title="least loss, nats", xlabel="|mean| / scale")
        row[4].legend(fontsize=7)
    grid[0, 0].legend(fontsize=7)
    return figure, data


def _draw_networks(axes: Axes, rows: list[dict[str, Any]], floor: float, key: str) -> None:
    """Draw one mark for each seed."""
    for divergence, marker in (("mmd", "o"), ("sampled mmd", "x")):
        for alpha in ALPHAS:
            own = [
                row
                for row in rows
                if (row["divergence"], row["alpha"], row["decoder_floor"]) == (divergence, alpha, floor)
                and not row["encoder_floor"]
                and row["normalized"] == "False"
                and row["lambda_"] >= 100
            ]
            axes.plot(
                [row["lambda_"] for row in own], [row[key] for row in own], marker, color=COLOURS[alpha], markersize=4,
                markerfacecolor="none", linestyle="none",
            )  # fmt: skip


def main() -> None:
    """Write the picture, its data and the tables of the page."""
    torch.set_num_threads(1)
    landscape, rows = Landscape(), network_rows()
    with style():
        figure, data = draw(landscape, rows)
        Image.fromarray(rendered(figure)).quantize(128).save(RESULTS / "two_points_map.png", optimize=True)
    write_csv(RESULTS / "two_points_map.csv", [{key: f"{value:.5g}" for key, value in row.items()} for row in data])
    write_between_markers("results/two_points.md", "thresholds", thresholds(landscape))
    write_between_markers("results/two_points.md", "networks", network_table(rows))


if __name__ == "__main__":
    main()
