"""The paper's Figure 4: reconstructions and samples, side by side."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import UInt8
from matplotlib.figure import Figure as Canvas

from infovae.evaluation.measure import draw
from infovae.pictures.canvas import rendered, style
from infovae.pictures.picture import Pixels
from infovae.pictures.reconstructions import Reconstructions
from infovae.pictures.samples import Samples
from infovae.reproduction.cells import Cell
from infovae.reproduction.figure import Figure, Findings
from infovae.reproduction.tables import estimate, grouped, markdown, measured

ROWS = 8
TITLES = {"reconstructions": "test digits and their reconstructions", "samples": "samples"}
COLUMNS = {
    "train/reconstruction": "−E log p(x given z), train (nats)",
    "test/reconstruction": "test",
    "test/rate": "rate, test (nats)",
    "test/log_det_covariance": "log det Cov[q(z)], test",
    "test/mmd": "MMD²(q(z), p(z)), test",
}


class SampleFigure(Figure):
    """Draw pictures by the first seed's models, and tabulate numbers of all seeds."""

    title = "Reconstructions and samples from 500 training digits (the paper's Figure 4)"

    def draw(self, cells: Sequence[Cell]) -> Findings:
        groups = grouped(cells, lambda cell: cell.objective)
        chosen = {"reconstructions": Reconstructions(rows=ROWS, pairs=ROWS // 2), "samples": Samples(rows=ROWS)}
        runs = {name: group[0].load() for name, group in groups.items()}
        pictures = {name: draw(run.module, run.data, chosen) for name, run in runs.items()}
        rows = [
            [name, *(measured(group, key) for key in COLUMNS), estimate([_scale(cell) for cell in group])]
            for name, group in groups.items()
        ]
        table = markdown(["objective", *COLUMNS.values(), "the decoder's standard deviation"], rows)
        data = [
            {"objective": name, "seed": cell.cfg.seed}
            | {key: cell.metrics[key] for key in COLUMNS}
            | {"scale": _scale(cell)}
            for name, group in groups.items()
            for cell in group
        ]
        return Findings(_drawn(pictures), data, f"± is the standard error over seeds.\n\n{table}")


def _scale(cell: Cell) -> float:
    """Return the standard deviation of a pixel that the decoder has learned."""
    module = cell.load().module
    with torch.no_grad():
        decoded = module.decode(module.prior.sample(1))
    return float(decoded.variance.flatten()[0].sqrt())


def _drawn(pictures: dict[str, dict[str, UInt8[np.ndarray, "_ _ 3"]]]) -> Pixels:
    with style():
        canvas = Canvas(figsize=(3 * len(TITLES), 3.2 * len(pictures)))
        panels = canvas.subplots(len(pictures), len(TITLES), squeeze=False)
        for row, (objective, drawn) in zip(panels, pictures.items(), strict=True):
            for axes, (name, title) in zip(row, TITLES.items(), strict=True):
                axes.imshow(drawn[name], interpolation="antialiased")
                axes.set(title=title, xticks=[], yticks=[])
                axes.spines[:].set_visible(False)
            row[0].set_ylabel(objective)
        return rendered(canvas)
