"""The paper's Figure 1: x in {-1, 1} and z a number."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from torch import Tensor
from torch.distributions import Normal

from infovae.exact import exact
from infovae.model import Model
from infovae.pictures.canvas import CLASS_COLOURS, PRIOR_COLOUR, rendered, style
from infovae.pictures.picture import Pixels
from infovae.reproduction.cells import Cell
from infovae.reproduction.colours import colours_of
from infovae.reproduction.figure import Figure, Findings, Row
from infovae.reproduction.tables import Estimate, estimate, grouped, markdown

POINTS = ("x = -1", "x = 1")
"""Each point x, by the value of its pixel."""

COLUMNS = {"z": ("posterior_0", "posterior_1", "prior"), "x": ("reconstruction_0", "reconstruction_1", "sample")}
"""Names of the densities of each panel, in the figure's data."""

LOG_JACOBIAN = -math.log(2)
"""log |d pixel / d x|, since densities are of x = 2 pixel − 1."""

SHOWN = (1e-3, 1e5)
"""Upper end of the axis of densities, which have spikes."""

COLOURS = (CLASS_COLOURS[2], "#2f8f4e")


class Densities(NamedTuple):
    """Densities at some places: of each of the two points, and of the model.

    Of a model's codes, these are q(z|x) and p(z); of its pixels, E_q(z|x) p(x'|z) and E_p(z) p(x'|z).
    """

    at: Float64[Tensor, " m"]
    points: tuple[Float64[Tensor, " m"], ...]
    model: Float64[Tensor, " m"]


class TwoPoints(Figure):
    """Draw densities after training, and ELBO, KL(q(z|x) || p(z|x)) and posterior means during it."""

    title = "Two points (the paper's Figure 1)"

    def draw(self, cells: Sequence[Cell]) -> Findings:
        groups = grouped(cells, lambda cell: cell.objective)
        densities = {name: densities_of(group[0].load().module) for name, group in groups.items()}
        courses = {name: [_course(cell) for cell in group] for name, group in groups.items()}
        data: list[Row] = [
            {"panel": "course", "objective": name, **row} for name in courses for run in courses[name] for row in run
        ]
        data += [
            {"panel": panel, "objective": name} | dict(zip((panel, *COLUMNS[panel]), values, strict=True))
            for name, panels in densities.items()
            for panel, (at, points, model) in zip(COLUMNS, panels, strict=True)
            for values in torch.stack([at, *points, model], dim=1).tolist()
        ]
        return Findings(_drawn(densities, courses), data, _table(courses))


@torch.no_grad()
def densities_of(model: Model) -> tuple[Densities, Densities]:
    """Return the densities of z and of x that Figure 1 compares, as sums over evenly spaced quantiles of z."""
    levels = (torch.arange(400, dtype=torch.float64) + 0.5) / 400
    quantiles = Normal(0.0, 1.0).icdf(levels)
    pixels = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)
    posterior = model.encode(pixels)
    mean, scale = exact(posterior.mean).squeeze(1), exact(posterior.variance).sqrt().squeeze(1)
    reach = max(4.0, *(mean.abs() + 4 * scale).tolist())
    around = [mean[point] + scale[point] * torch.linspace(-6, 6, 121, dtype=torch.float64) for point in (0, 1)]
    z = torch.cat([torch.linspace(-reach, reach, 201, dtype=torch.float64), *around]).sort().values
    # Spikes at the two points are far narrower than what a figure resolves: nodes gather towards them.
    near = torch.logspace(-7, 0, 60, dtype=torch.float64)
    x = torch.cat([torch.linspace(-2, 2, 201), *(centre + sign * near for centre in (-1, 1) for sign in (-1, 1))])
    x = exact(x[x.abs() <= 2]).sort().values

    def induced(codes: Float64[Tensor, " n"]) -> Float64[Tensor, " k"]:
        decoded = model.decode(codes[:, None].float())
        centre, width = (2 * exact(moment).flatten() for moment in (decoded.mean, decoded.variance.sqrt()))
        return Normal(centre - 1, width).log_prob(x[:, None]).exp().mean(dim=1)

    posteriors = tuple(Normal(mean[point], scale[point]).log_prob(z).exp() for point in (0, 1))
    reconstructions = tuple(induced(mean[point] + scale[point] * quantiles) for point in (0, 1))
    prior = model.prior.log_prob(z[:, None]).exp()
    return Densities(z, posteriors, prior), Densities(x, reconstructions, induced(quantiles))


def _course(cell: Cell) -> list[Row]:
    """Return what was measured on the training split after each epoch."""
    course: list[Row] = []
    for row in cell.rows:
        means, scales = ([row[f"train/posterior_{moment}_{point}"] for point in (0, 1)] for moment in ("mean", "scale"))
        elbo = row["train/log_evidence"] - row["train/inference_gap"] + LOG_JACOBIAN
        measured = {"seed": float(cell.cfg.seed), "step": row["step"], "elbo": elbo}
        measured |= {"inference_gap": row["train/inference_gap"], "mean_far": max(map(abs, means))}
        measured |= {"mean_0": means[0], "mean_1": means[1], "scale_0": scales[0], "scale_1": scales[1]}
        course.append(measured | {name: row[f"train/{name}"] for name in ("log_det_covariance", "mmd")})
    return course


def _drawn(densities: dict[str, tuple[Densities, Densities]], courses: dict[str, list[list[Row]]]) -> Pixels:
    with style():
        canvas = Canvas(figsize=(max(8, 1.9 * len(densities)), 8))
        above, below = canvas.subfigures(2, 1, height_ratios=[2, 1.15], squeeze=False)[:, 0]
        panels = above.subplots(2, len(densities), squeeze=False, sharex="row", sharey="row")
        for column, (name, found) in enumerate(densities.items()):
            _draw_densities(panels[0, column], found[0], "q(z|{})", "p(z)")
            _draw_densities(panels[1, column], found[1], "z \\sim q(z|{})", "z \\sim p(z)")
            panels[0, column].set(xlabel="$z$", xlim=(-4, 4), title=name.replace(" (", "\n("))
            panels[1, column].set_xlabel("$x$")
        for row, label in enumerate(("density of $z$", "density of $x$, given $z$")):
            panels[row, 0].set_ylabel(label)
            panels[row, 0].legend(loc="upper left", fontsize=7)
        panels_below = below.subplots(1, 3)
        gap = "$KL(q(z|x)\\,\\|\\,p(z|x))$, nats"
        titles = {"elbo": "ELBO, nats", "inference_gap": gap, "mean": "$E[z|x]$ of the two points"}
        for axes, (key, title) in zip(panels_below, titles.items(), strict=True):
            _draw_course(axes, courses, key)
            axes.set(xlabel="steps", title=title)
        below.legend(*panels_below[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(courses))
        return rendered(canvas)


def _draw_densities(axes: Axes, found: Densities, of_point: str, of_model: str) -> None:
    for point, density, colour in zip(POINTS, found.points, COLOURS, strict=True):
        axes.plot(found.at, density, color=colour, label=f"${of_point.format(point)}$")
    axes.plot(found.at, found.model, color=PRIOR_COLOUR, linestyle="dashed", label=f"${of_model}$")
    axes.set(yscale="log", ylim=SHOWN)


def _draw_course(axes: Axes, courses: dict[str, list[list[Row]]], key: str) -> None:
    colours = colours_of(courses)
    for name, runs in courses.items():
        for position, run in enumerate(runs):
            steps = [float(row["step"]) for row in run]
            for column in ("mean_0", "mean_1") if key == "mean" else (key,):
                label = name if position == 0 and column != "mean_1" else None
                axes.plot(steps, [float(row[column]) for row in run], color=colours[name], linewidth=0.9, label=label)
    if key == "inference_gap":
        axes.set_yscale("log")
    if key == "elbo":
        axes.set_yscale("symlog", linthresh=5)


def _table(courses: dict[str, list[list[Row]]]) -> str:
    header = [
        "objective", "step", "ELBO", "KL(q(z given x) ‖ p(z given x))", "larger mean, abs", "smaller scale",
        "log det Cov[q(z)]", "MMD²",
    ]  # fmt: skip
    rows = []
    for name, runs in courses.items():
        shortest = min(map(len, runs))
        for part in (1, 5, 10):
            chosen = [run[max(0, shortest * part // 10 - 1)] for run in runs]
            scales = [min(float(row["scale_0"]), float(row["scale_1"])) for row in chosen]
            columns = ("elbo", "inference_gap", "mean_far")
            values: list[Estimate] = [estimate([float(row[column]) for row in chosen]) for column in columns]
            rest = [estimate([float(row[column]) for row in chosen]) for column in ("log_det_covariance", "mmd")]
            rows.append([name, f"{float(chosen[0]['step']):,.0f}", *values, estimate(scales), *rest])
    return f"On the training points; ± is the standard error over seeds.\n\n{markdown(header, rows)}"
