"""The bias of scale: errors cost in proportion to the dimension, and x has far more dimensions than z.

KL(N(0, I_n) || N(e, I_n)) = n e^2 / 2 (Zhao, Song, Ermon 2017, section 2).
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure as Canvas

from infovae.pictures.canvas import rendered, style
from infovae.pictures.picture import Pixels
from infovae.reproduction.cells import Cell
from infovae.reproduction.colours import colours_of
from infovae.reproduction.figure import Figure, Findings, Row
from infovae.reproduction.tables import Estimate, grouped, markdown, measured

COLUMNS = {
    "train/reconstruction": "−E log p(x given z), train (nats)",
    "test/rate": "rate, test (nats)",
    "test/mutual_information": "I_q(x;z), test (nats)",
    "test/aggregate_kl": "KL(q(z) ‖ p(z)), test (nats)",
    "test/log_det_covariance": "log det Cov[q(z)], test",
    "train/log_det_covariance": "train",
    "test/mmd": "MMD²(q(z), p(z)), test",
}
SHOWN = ("test/aggregate_kl", "test/log_det_covariance")
DIMENSIONS = (5, 49, 196, 784)
"""Of z, and of images of three sizes."""

SIDE = 28
"""Width and height of an MNIST image, in pixels."""


class ScaleBias(Figure):
    """Draw the cost of a shift, and measurements of q(z), against the number of pixels."""

    title = "The bias of scale: the same digits with 49, 196 and 784 pixels"

    def draw(self, cells: Sequence[Cell]) -> Findings:
        groups = grouped(cells, lambda cell: (cell.objective, pixels(cell)))
        found = {name: {key: measured(group, key) for key in COLUMNS} for name, group in groups.items()}
        rows = [[objective, n, *values.values()] for (objective, n), values in found.items()]
        table = markdown(["objective", "pixels", *COLUMNS.values()], rows)
        data: list[Row] = [
            {"objective": cell.objective, "pixels": pixels(cell), "seed": cell.cfg.seed}
            | {key: cell.metrics[key] for key in COLUMNS}
            for cell in cells
        ]
        shifts = (0.01, 0.03, 0.1, 0.3, 1.0)
        data += [{"n": n, "shift": shift, "kl": cost_of_shift(n, shift)} for n in DIMENSIONS for shift in shifts]
        return Findings(_drawn(found), data, f"± is the standard error over seeds.\n\n{table}")


def cost_of_shift(n: int, shift: float) -> float:
    """Return KL(N(0, I_n) || N(shift, I_n)) in nats."""
    return n * shift**2 / 2


def pixels(cell: Cell) -> int:
    """Return the number of pixels of an image of the cell's data."""
    return int(SIDE // cell.cfg.data.source.factor) ** 2


def _drawn(found: dict[tuple[str, int], dict[str, Estimate]]) -> Pixels:
    with style():
        canvas = Canvas(figsize=(9, 3.2))
        first, *others = canvas.subplots(1, 1 + len(SHOWN))
        shifts = np.geomspace(0.01, 1, 50)
        for n, line in zip(DIMENSIONS, ("dotted", "dashdot", "dashed", "solid"), strict=True):
            costs = [cost_of_shift(n, float(shift)) for shift in shifts]
            first.plot(shifts, costs, color="0.2", linestyle=line, label=f"n = {n}")
        first.set(xscale="log", yscale="log", xlabel="ε", ylabel="nats")
        first.set_title(r"KL(N(0, I$_n$) ‖ N(ε, I$_n$)) = nε²/2")
        first.legend()
        colours = colours_of(objective for objective, _ in found)
        for axes, key in zip(others, SHOWN, strict=True):
            for objective in dict.fromkeys(objective for objective, _ in found):
                sizes = sorted(n for name, n in found if name == objective)
                means, errors = np.array([found[objective, n][key] for n in sizes]).T
                drawn = {"color": colours[objective], "marker": ".", "label": objective}
                axes.errorbar(sizes, means, np.nan_to_num(errors), capsize=2, **drawn)
            axes.set(xscale="log", xlabel="pixels", title=COLUMNS[key])
            axes.set_xticks([49, 196, 784], ["49", "196", "784"])
            axes.minorticks_off()
        others[1].axhline(0, color="0.3", linewidth=0.8)
        others[0].legend()
        return rendered(canvas)
