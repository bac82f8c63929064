"""Information preference: do codes carry information if the decoder can model the data without them?

Where p(x|z) can be p_D(x) for every z, the ELBO is optimal with q(z|x) = p(z), hence I_q(x;z) = 0 (Zhao, Song, Ermon
2017, section 2).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from matplotlib.figure import Figure as Canvas

from infovae.evaluation.measure import draw
from infovae.metrics.log_weights import bits_per_dimension
from infovae.pictures.canvas import rendered, style
from infovae.pictures.picture import Pixels
from infovae.pictures.samples_given_code import SamplesGivenCode
from infovae.reproduction.cells import Cell
from infovae.reproduction.colours import colours_of
from infovae.reproduction.figure import Figure, Findings, Row
from infovae.reproduction.tables import estimate, grouped, markdown, measured

BITS = "bits/dim"
WEIGHTED = "test/importance_weighted_log_likelihood_bits_per_dimension"
BOUND = "test/mutual_information_bound"
COLUMNS = {
    WEIGHTED: "bits/dim by importance weights, first test images",
    "test/mutual_information": "I_q(x;z), test (nats)",
    "train/mutual_information": "train",
    "test/reconstruction": "−E log p(x given z), test (nats)",
    "test/rate": "rate, test (nats)",
    "test/aggregate_kl": "KL(q(z) ‖ p(z)), test (nats)",
    "test/active_units": "active units, test",
    "test/log_det_covariance": "log det Cov[q(z)], test",
    "test/mmd": "MMD²(q(z), p(z)), test",
}
ROWS, SAMPLES = 6, 5


@dataclass(frozen=True)
class Arm:
    """The cells of one objective on one data set.

    Attributes:
        cells: a seed each.
        dimensions: pixels times channels of an image.
        samples: of the first seed's model, several draws for each of several codes.
    """

    cells: list[Cell]
    dimensions: int
    samples: Pixels

    @classmethod
    def of(cls, cells: list[Cell]) -> "Arm":
        """Return the arm that these cells make up."""
        run = cells[0].load()
        drawn = draw(run.module, run.data, {"samples": SamplesGivenCode(rows=ROWS, samples=SAMPLES)})
        return cls(cells, math.prod(run.data.shape), drawn["samples"])

    def bits(self, measurements: dict[str, float]) -> float:
        """Return an upper bound on the bits per pixel and channel of a test image, from the ELBO."""
        elbo = torch.tensor(measurements["test/elbo"], dtype=torch.float64)
        return float(bits_per_dimension(elbo, self.dimensions))


Arms = dict[tuple[str, str], Arm]


class InformationPreference(Figure):
    """Draw I_q(x;z) and bits/dim during training, and samples for one code by the first seed's models."""

    title = "Information preference: what codes tell a decoder that sees pixels"

    def draw(self, cells: Sequence[Cell]) -> Findings:
        groups = grouped(cells, lambda cell: (data_of(cell), cell.objective))
        arms = {key: Arm.of(group) for key, group in groups.items()}
        rows: list[list[object]] = []
        for (data, objective), arm in arms.items():
            bits = estimate([arm.bits(cell.metrics) for cell in arm.cells])
            rows.append([f"{objective}, {data}", bits, *(measured(arm.cells, key) for key in COLUMNS)])
        table = markdown(["objective, data", f"{BITS} by the ELBO, test", *COLUMNS.values()], rows)
        bound = max(cell.metrics[BOUND] for cell in cells)
        notes = f"± is the standard error over seeds. I_q(x;z) can't be measured above {bound:.2f} nats, log N."
        return Findings(_drawn(arms), _rows(arms), f"{notes}\n\n{table}")


def data_of(cell: Cell) -> str:
    """Return the cell's data as a label."""
    name = cell.cfg.data.source["_target_"].rpartition(".")[2]
    return f"{name}, {'256 levels' if cell.cfg.data.binarization == 'none' else 'black and white'}"


def _rows(arms: Arms) -> list[Row]:
    return [
        {"data": data, "objective": objective, "seed": cell.cfg.seed, "step": row["step"], BITS: arm.bits(row)}
        | {key: row[key] for key in (*COLUMNS, BOUND)}
        for (data, objective), arm in arms.items()
        for cell in arm.cells
        for row in cell.rows
    ]


def _drawn(arms: Arms) -> Pixels:
    sets = list(dict.fromkeys(data for data, _ in arms))
    colours = colours_of(objective for _, objective in arms)
    objectives = [name for name in colours if any(objective == name for _, objective in arms)]
    with style():
        canvas = Canvas(figsize=(2.8 * (2 + len(objectives)), 3 * len(sets)))
        panels = canvas.subplots(len(sets), 2 + len(objectives), squeeze=False)
        for (information, bits, *pictures), data in zip(panels, sets, strict=True):
            of_this = {objective: arm for (name, objective), arm in arms.items() if name == data}
            for objective, arm in of_this.items():
                for position, cell in enumerate(arm.cells):
                    steps = [row["step"] for row in cell.rows]
                    drawn = {"color": colours[objective], "marker": ".", "label": None if position else objective}
                    information.plot(steps, [row["test/mutual_information"] for row in cell.rows], **drawn)
                    bits.plot(steps, [arm.bits(row) for row in cell.rows], **drawn)
            bound = max(row[BOUND] for arm in of_this.values() for cell in arm.cells for row in cell.rows)
            information.axhline(bound, color="0.3", linewidth=0.8, linestyle="dashed", label="log N")
            information.legend()
            information.set(title=f"{data}\nI_q(x;z), test (nats)", xlabel="step", ylim=(0, None))
            bits.set(title=f"{BITS} by the ELBO, test", xlabel="step")
            for axes, objective in zip(pictures, objectives, strict=True):
                axes.set_axis_off()
                if objective in of_this:
                    axes.imshow(of_this[objective].samples, interpolation="antialiased")
                    axes.set_title(objective)
        return rendered(canvas)
