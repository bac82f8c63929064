"""The paper's Figure 2: log det Cov[q(z)] against the number of training examples."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure as Canvas

from infovae.pictures.canvas import PRIOR_COLOUR, rendered, style
from infovae.pictures.picture import Pixels
from infovae.reproduction.cells import Cell
from infovae.reproduction.colours import colours_of
from infovae.reproduction.figure import Figure, Findings, Row
from infovae.reproduction.tables import Estimate, grouped, markdown, measured

Curves = dict[tuple[str, str], dict[int, Estimate]]
"""Estimates by objective and split, then by training-set size."""

PUBLISHED = {
    ("ELBO", "train"): {500: 8.95, 1000: 7.7, 5000: 5.8, 10000: 4.5, 50000: 2.2},
    ("ELBO", "test"): {500: 8.3, 1000: 6.9, 5000: 5.1, 10000: 4.2, 50000: 1.9},
    ("InfoVAE", "train"): {500: 0.0, 1000: 0.0, 5000: 0.0, 10000: 0.0, 50000: -0.1},
    ("InfoVAE", "test"): {500: -1.4, 1000: -1.2, 5000: -0.7, 10000: -0.55, 50000: -0.3},
}
"""Values read by eye from the authors' plot; 0 on the train curve stands for about 0."""

FIT = {"reconstruction": "−E log p(x given z), nats", "rate": "rate, nats", "mmd": "MMD²"}

LINES = {"train": "dotted", "test": "solid"}


class LogDetCov(Figure):
    """Draw the mean over seeds on both splits, with a band of one standard error if there are several seeds."""

    title = "log det Cov[q(z)] against the training-set size (the paper's Figure 2)"

    def draw(self, cells: Sequence[Cell]) -> Findings:
        curves: Curves = {}
        for (objective, size), group in grouped(cells, lambda cell: (cell.objective, cell.cfg.data.train_size)).items():
            for split in LINES:
                value = measured(group, f"{split}/log_det_covariance")
                curves.setdefault((objective, split), {})[size] = value
        return Findings(_drawn(curves), _rows(cells), f"{_table(curves)}\n\n{_fit(cells)}")


def _drawn(curves: Curves) -> Pixels:
    colours = colours_of(objective for objective, _ in curves)
    with style():
        canvas = Canvas(figsize=(6, 4.4))
        axes = canvas.add_subplot()
        for (objective, split), curve in curves.items():
            colour = colours[objective]
            sizes = sorted(curve)
            means, errors = np.array([curve[size] for size in sizes]).T
            label = f"{objective}, {split}"
            axes.plot(sizes, means, color=colour, linestyle=LINES[split], marker=".", label=label)
            errors = np.nan_to_num(errors)
            axes.fill_between(sizes, means - errors, means + errors, color=colour, alpha=0.2, linewidth=0)
        for (objective, split), published in PUBLISHED.items():
            colour = colours.get(objective, PRIOR_COLOUR)
            points = list(published), list(published.values())
            inside, label = colour if split == "test" else "none", f"the authors' {objective}, {split}"
            axes.plot(*points, color=colour, marker="D", mfc=inside, markersize=3.5, linewidth=0, label=label)
        axes.axhline(0, color="0.3", linewidth=0.8)
        axes.set(xscale="log", ylim=(None, 12), xlabel="training examples", ylabel="log det Cov[$q(z)$], ideal 0")
        axes.legend(ncols=2, fontsize=6)
        return rendered(canvas)


def _rows(cells: Sequence[Cell]) -> list[Row]:
    names = ("log_det_covariance", "sampled_log_det_covariance", "mmd", "elbo", "reconstruction", "rate")
    return [
        {"objective": cell.objective, "train_size": cell.cfg.data.train_size, "seed": cell.cfg.seed}
        | {f"{split}/{name}": cell.metrics[f"{split}/{name}"] for split in LINES for name in names}
        for cell in cells
    ]


def _table(curves: Curves) -> str:
    sizes = sorted({size for curve in curves.values() for size in curve})
    rows = [[f"{objective}, {split}", *_entries(curve, sizes)] for (objective, split), curve in curves.items()]
    for (objective, split), published in PUBLISHED.items():
        rows.append([f"the authors' {objective}, {split}", *_entries(published, sizes)])
    table = markdown(["log det Cov[q(z)]", *(f"{size:,}" for size in sizes)], rows)
    return f"± is the standard error over seeds; the authors' values are read by eye from their plot.\n\n{table}"


def _fit(cells: Sequence[Cell]) -> str:
    """Return a table of what log det Cov doesn't see, on the test split."""
    sizes = sorted({cell.cfg.data.train_size for cell in cells})
    rows = []
    for objective, group in grouped(cells, lambda cell: cell.objective).items():
        by_size = grouped(group, lambda cell: cell.cfg.data.train_size)
        for name, label in FIT.items():
            curve = {size: measured(own, f"test/{name}") for size, own in by_size.items()}
            rows.append([f"{objective}: {label}", *_entries(curve, sizes)])
    return markdown(["on test digits", *(f"{size:,}" for size in sizes)], rows)


def _entries(curve: Mapping[int, Estimate | float], sizes: Sequence[int]) -> list[str]:
    return [str(curve.get(size, "–")).replace("-", "−") for size in sizes]
