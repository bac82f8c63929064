"""The paper's Figure 3: contours of q(z) and p(z) on a plane."""

from collections.abc import Sequence

import torch
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from infovae.codes import joined
from infovae.evaluation.measure import observe
from infovae.pictures.canvas import PRIOR_COLOUR, rendered, style
from infovae.pictures.densities import AggregateAndPrior, densities, draw_plane, plane
from infovae.pictures.picture import Pixels
from infovae.reproduction.cells import Cell
from infovae.reproduction.colours import colours_of
from infovae.reproduction.figure import Figure, Findings, Row
from infovae.reproduction.tables import grouped, markdown, measured

ROWS = 61
"""Points along each side of the grid on which densities are evaluated."""

COLUMNS = {
    "test/log_det_covariance": "log det Cov[q(z)], test",
    "train/log_det_covariance": "train",
    "test/mmd": "MMD²(q(z), p(z)), test",
    "train/mmd": "train",
    "test/elbo": "ELBO, test (nats)",
    "train/elbo": "train",
}


class Contours(Figure):
    """Draw contours of the first seed's models, and tabulate numbers of all seeds."""

    title = "q(z) of the test digits against p(z), 500 training digits (the paper's Figure 3)"

    def draw(self, cells: Sequence[Cell]) -> Findings:
        groups = grouped(cells, lambda cell: cell.objective)
        planes = {name: _densities_of(group[0]) for name, group in groups.items()}
        rows = [[name, *(measured(group, key) for key in COLUMNS)] for name, group in groups.items()]
        table = markdown(["objective", *COLUMNS.values()], rows)
        return Findings(_drawn(planes), _rows(planes), f"± is the standard error over seeds.\n\n{table}")


@torch.no_grad()
def _densities_of(cell: Cell) -> AggregateAndPrior:
    """Return the densities of a model's test codes and of its prior."""
    run = cell.load()
    codes = joined([observed.codes for observed in observe(run.module, run.data, "test", seed=0)])
    return densities(codes, run.module.prior, ROWS)


def _drawn(planes: dict[str, AggregateAndPrior]) -> Pixels:
    colours = colours_of(planes)
    with style():
        canvas = Canvas(figsize=(4 * len(planes), 4.4))
        for axes, (name, found) in zip(canvas.subplots(1, len(planes), squeeze=False)[0], planes.items(), strict=True):
            draw_plane(axes, found, colours[name])
            axes.set_title(f"{name}\n25, 50, 75, 95 % of the mass")
        handles = [Line2D([], [], color=colours[name], label=f"$q(z)$, {name}") for name in planes]
        handles.append(Line2D([], [], color=PRIOR_COLOUR, linestyle="dashed", label="$p(z)$"))
        canvas.legend(handles=handles, loc="outside lower center", ncols=3)
        return rendered(canvas)


def _rows(planes: dict[str, AggregateAndPrior]) -> list[Row]:
    return [
        {"objective": name, "z_1": f"{z_1:.4f}", "z_2": f"{z_2:.4f}", "aggregate": f"{q:.4g}", "prior": f"{p:.4g}"}
        for name, found in planes.items()
        for (z_1, z_2), q, p in zip(*(part.tolist() for part in (plane(found.ticks), *found[2:])), strict=True)
    ]
