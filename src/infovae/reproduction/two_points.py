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

POINTS = {0: "x = −1", 1: "x = 1"}
"""The value of the pixel for each point x."""

LOG_JACOBIAN = -math.log(2)
"""log |d pixel / d x|, since densities are of x = 2 pixel − 1."""

SHOWN = (1e-3, 1e5)
"""Upper end of the axis of densities, which have spikes."""

COLOURS = {0: CLASS_COLOURS[2], 1: "#2f8f4e"}


class Densities(NamedTuple):
    """The densities of one trained model.

    Attributes:
        z: where the next two are.
        posterior: q(z|x) of each point.
        prior: p(z).
        x: where the next two are.
        reconstruction: E_q(z|x) p(x'|z) of each point x.
        sample: E_p(z) p(x'|z).
    """

    z: Float64[Tensor, " m"]
    posterior: dict[int, Float64[Tensor, " m"]]
    prior: Float64[Tensor, " m"]
    x: Float64[Tensor, " k"]
    reconstruction: dict[int, Float64[Tensor, " k"]]
    sample: Float64[Tensor, " k"]


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
        data += [row for name, found in densities.items() for row in _density_rows(name, found)]
        return Findings(_drawn(densities, courses), data, _table(courses))


@torch.no_grad()
def densities_of(model: Model) -> Densities:
    """Return the densities that Figure 1 compares, as sums over evenly spaced quantiles of z."""
    levels = (torch.arange(400, dtype=torch.float64) + 0.5) / 400
    quantiles = Normal(0.0, 1.0).icdf(levels)
    pixels = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)
    posterior = model.encode(pixels)
    mean, scale = exact(posterior.mean).squeeze(1), exact(posterior.variance).sqrt().squeeze(1)
    reach = max(4.0, *(mean.abs() + 4 * scale).tolist())
    around = [mean[point] + scale[point] * torch.linspace(-6, 6, 121, dtype=torch.float64) for point in POINTS]
    z = torch.cat([torch.linspace(-reach, reach, 201, dtype=torch.float64), *around]).sort().values
    # Spikes at the two points are far narrower than what a figure resolves: nodes gather towards them.
    near = torch.logspace(-7, 0, 60, dtype=torch.float64)
    x = torch.cat([torch.linspace(-2, 2, 201), *(centre + sign * near for centre in (-1, 1) for sign in (-1, 1))])
    x = exact(x[x.abs() <= 2]).sort().values

    def induced(codes: Float64[Tensor, " n"]) -> Float64[Tensor, " k"]:
        decoded = model.decode(codes[:, None].float())
        centre, width = (2 * exact(moment).flatten() for moment in (decoded.mean, decoded.variance.sqrt()))
        return Normal(centre - 1, width).log_prob(x[:, None]).exp().mean(dim=1)

    return Densities(
        z,
        {point: Normal(mean[point], scale[point]).log_prob(z).exp() for point in POINTS},
        model.prior.log_prob(z[:, None]).exp(),
        x,
        {point: induced(mean[point] + scale[point] * quantiles) for point in POINTS},
        induced(quantiles),
    )


def _course(cell: Cell) -> list[Row]:
    """Return what was measured on the training split after each epoch."""
    return [
        {
            "seed": float(cell.cfg.seed),
            "step": row["step"],
            "elbo": row["train/log_evidence"] - row["train/inference_gap"] + LOG_JACOBIAN,
            "inference_gap": row["train/inference_gap"],
            "mean_far": max(abs(row["train/posterior_mean_0"]), abs(row["train/posterior_mean_1"])),
            "mean_0": row["train/posterior_mean_0"],
            "mean_1": row["train/posterior_mean_1"],
            "scale_0": row["train/posterior_scale_0"],
            "scale_1": row["train/posterior_scale_1"],
            "log_det_covariance": row["train/log_det_covariance"],
            "mmd": row["train/mmd"],
        }
        for row in cell.rows
    ]


def _density_rows(objective: str, found: Densities) -> list[Row]:
    over_z = [
        {"panel": "z", "objective": objective, "z": z, "posterior_0": q0, "posterior_1": q1, "prior": p}
        for z, q0, q1, p in zip(
            *(values.tolist() for values in (found.z, *found.posterior.values(), found.prior)), strict=True
        )
    ]
    over_x = [
        {"panel": "x", "objective": objective, "x": x, "reconstruction_0": r0, "reconstruction_1": r1, "sample": s}
        for x, r0, r1, s in zip(
            *(values.tolist() for values in (found.x, *found.reconstruction.values(), found.sample)), strict=True
        )
    ]
    return [*over_z, *over_x]


def _drawn(densities: dict[str, Densities], courses: dict[str, list[list[Row]]]) -> Pixels:
    with style():
        canvas = Canvas(figsize=(max(8, 1.9 * len(densities)), 8))
        above, below = canvas.subfigures(2, 1, height_ratios=[2, 1.15], squeeze=False)[:, 0]
        panels = above.subplots(2, len(densities), squeeze=False, sharex="row", sharey="row")
        for column, (name, found) in enumerate(densities.items()):
            _draw_codes(panels[0, column], found)
            _draw_pixels(panels[1, column], found)
            panels[0, column].set_title(name.replace(" (", "\n("))
        for row, label in enumerate(("density of $z$", "density of $x$, given $z$")):
            panels[row, 0].set_ylabel(label)
            panels[row, 0].legend(loc="upper left", fontsize=7)
        panels_below = below.subplots(1, 3)
        for axes, (key, label) in zip(
            panels_below,
            {
                "elbo": "ELBO, nats",
                "inference_gap": "$KL(q(z|x)\\,\\|\\,p(z|x))$, nats",
                "mean": "$E[z|x]$ of the two points",
            }.items(),
            strict=True,
        ):
            _draw_course(axes, courses, key)
            axes.set(xlabel="steps", title=label)
        below.legend(*panels_below[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(courses))
        return rendered(canvas)


def _draw_codes(axes: Axes, found: Densities) -> None:
    for point, label in POINTS.items():
        axes.plot(found.z, found.posterior[point], color=COLOURS[point], label=f"$q(z|{label.replace('−', '-')})$")
    axes.plot(found.z, found.prior, color=PRIOR_COLOUR, linestyle="dashed", label="$p(z)$")
    axes.set(xlabel="$z$", yscale="log", xlim=(-4, 4), ylim=SHOWN)


def _draw_pixels(axes: Axes, found: Densities) -> None:
    for point, label in POINTS.items():
        given = f"$z \\sim q(z|{label.replace('−', '-')})$"
        axes.plot(found.x, found.reconstruction[point], color=COLOURS[point], label=given)
    axes.plot(found.x, found.sample, color=PRIOR_COLOUR, linestyle="dashed", label="$z \\sim p(z)$")
    axes.set(xlabel="$x$", yscale="log", ylim=SHOWN)


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
