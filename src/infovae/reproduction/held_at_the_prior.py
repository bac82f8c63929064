"""Do normalised codes hold q(z) at the prior's volume without early stopping?"""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure as Canvas

from infovae.pictures.canvas import CLASS_COLOURS, rendered, style
from infovae.pictures.picture import Pixels
from infovae.reproduction.beyond_the_authors import RECONSTRUCTION, SEEDS, SIZE, WITHIN, both_within
from infovae.reproduction.cells import Cell
from infovae.reproduction.figure import Figure, Findings, Row
from infovae.reproduction.tables import estimate, grouped, markdown

STOPPED = {500: -151.5, 1000: -193.8, 5000: -263.8}
"""Test reconstruction of the early-stopped model by number of digits (docs/results/beyond_the_authors.md)."""

SPLITS = ("train", "validation", "test")


class HeldAtThePrior(Figure):
    """Draw log det Cov[q(z)] and the reconstruction at the end of each run, against the number of digits."""

    title = "Held at the prior: normalised codes, without early stopping"

    def draw(self, cells: Sequence[Cell]) -> Findings:
        sizes = grouped(cells, lambda cell: int(cell.cfg.data.train_size))
        return Findings(_drawn(sizes), _rows(sizes), _table(sizes))


def _drawn(sizes: Mapping[int, Sequence[Cell]]) -> Pixels:
    with style():
        canvas = Canvas(figsize=(8, 3.4))
        sized, rebuilt = canvas.subplots(1, 2)
        sized.axhspan(-WITHIN, WITHIN, color="0.9")
        for axes, name in ((sized, SIZE), (rebuilt, RECONSTRUCTION)):
            for split, colour, aside in (("train", CLASS_COLOURS[0], 0.94), ("test", CLASS_COLOURS[1], 1.06)):
                points = [(size * aside, cell.rows[-1][f"{split}/{name}"]) for size in sizes for cell in sizes[size]]
                axes.plot(*zip(*points, strict=True), ".", color=colour, label=split)
            axes.set(xscale="log", xlim=(300, 80_000), xlabel="training digits")
        published = {size: STOPPED[size] for size in sizes if size in STOPPED}
        marks = list(published), list(published.values())
        rebuilt.plot(*marks, "_", color="0.3", markersize=16, label="stopped early, test")
        sized.set(ylim=(-0.6, 0.6), ylabel="log det Cov[$q(z)$], ideal 0")
        rebuilt.set_ylabel("−E log p(x given z), nats")
        rebuilt.legend(fontsize=7)
        return rendered(canvas)


def _rows(sizes: Mapping[int, Sequence[Cell]]) -> list[Row]:
    names = [f"{split}/{name}" for split in SPLITS for name in (SIZE, RECONSTRUCTION, "rate", "mmd")]
    return [
        {"train_size": size, "seed": int(cell.cfg.seed), "step": row["step"], **{name: row[name] for name in names}}
        for size, cells in sizes.items()
        for cell in cells
        for row in cell.rows
    ]


def _table(sizes: Mapping[int, Sequence[Cell]]) -> str:
    rows: list[list[object]] = []
    for size, cells in sizes.items():
        ends = [cell.rows[-1] for cell in cells]
        values = {split: [end[f"{split}/{SIZE}"] for end in ends] for split in SPLITS}
        worst = (f"{max(values[split], key=abs):.2f}".replace("-", "−") for split in ("train", "test"))
        row = [f"{size:,}", *map(estimate, values.values()), *worst, both_within(values["train"], values["test"])]
        stopped = str(STOPPED.get(size, "–")).replace("-", "−")
        row += [estimate([end[f"test/{RECONSTRUCTION}"] for end in ends]), stopped]
        rows.append([*row, *(estimate([end[f"test/{name}"] for end in ends]) for name in ("rate", "mmd"))])
    header = ["digits", "log det Cov[q(z)], train", "validation", "test", "worst seed, train", "worst seed, test"]
    header += [SEEDS, "−E log p(x given z), test (nats)", "stopped early", "rate, test (nats)", "MMD², test"]
    steps = max(cell.rows[-1]["step"] for cells in sizes.values() for cell in cells)
    return f"± is the standard error over seeds; all after {steps:,.0f} steps.\n\n{markdown(header, rows)}"
