"""Does early stopping give an aggregate posterior of the prior's size on unseen digits, too?"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure as Canvas

from infovae.pictures.canvas import CLASS_COLOURS, rendered, style
from infovae.pictures.picture import Pixels
from infovae.reproduction.cells import Cell
from infovae.reproduction.figure import Figure, Findings, Row
from infovae.reproduction.tables import estimate, grouped, markdown

WITHIN = 0.3
"""The largest distance from 0 of log det Cov[q(z)], on both splits, that counts as reached."""

SIZE, RECONSTRUCTION = "log_det_covariance", "reconstruction"
SEEDS = "seeds with both within 0.3"
LINES = {"train": "dotted", "validation": "dashed", "test": "solid"}


class Runs(NamedTuple):
    """The cells of one number of digits: those that ``callbacks/near_prior`` stopped, and rows at the budget's end."""

    stopped: list[Cell]
    ends: Sequence[Mapping[str, float]]


class BeyondTheAuthors(Figure):
    """Compare the paper's point when stopped early with the same point at the end of its budget."""

    title = "Beyond the authors: log det Cov[q(z)] near 0 on seen and unseen digits alike"

    def draw(self, cells: Sequence[Cell]) -> Findings:
        groups = grouped(cells, lambda cell: int(cell.cfg.data.train_size))
        sizes: dict[int, Runs] = {}
        for size, group in groups.items():
            stopped = [cell for cell in group if cell.cfg.callbacks.near_prior is not None]
            ends = [cell.rows[-1] for cell in group if len(cell.rows) == cell.cfg.trainer.max_epochs]
            sizes[size] = Runs(stopped, ends)
        return Findings(_drawn(sizes), _rows(sizes), _table(sizes))


def _drawn(sizes: Mapping[int, Runs]) -> Pixels:
    with style():
        canvas = Canvas(figsize=(3.2 * max(1, len(sizes)), 3.4))
        for position, (size, runs) in enumerate(sizes.items(), start=1):
            axes = canvas.add_subplot(1, len(sizes), position)
            axes.axhspan(-WITHIN, WITHIN, color="0.9")
            for cell, colour in zip(runs.stopped, CLASS_COLOURS, strict=False):
                steps = [row["step"] for row in cell.rows]
                for split in ("train", "test"):
                    values = [row[f"{split}/{SIZE}"] for row in cell.rows]
                    axes.plot(steps, values, color=colour, linestyle=LINES[split], linewidth=0.9)
                kept = cell.final_row
                axes.plot(kept["step"], kept[f"test/{SIZE}"], color=colour, marker="o", markersize=4)
            for split in ("train", "test"):
                axes.plot([], [], color="0.3", linestyle=LINES[split], label=split)
            axes.plot([], [], color="0.3", marker="o", linewidth=0, markersize=4, label="kept")
            axes.set(title=f"{size:,} digits", xlabel="steps", ylim=(-3, 3))
            if position == 1:
                axes.set_ylabel("log det Cov[$q(z)$], ideal 0")
                axes.legend(fontsize=7)
        return rendered(canvas)


def _rows(sizes: Mapping[int, Runs]) -> list[Row]:
    names = ["step", *(f"{split}/{name}" for split in LINES for name in (SIZE, RECONSTRUCTION))]
    rows: list[Row] = []
    for size, runs in sizes.items():
        for cell in runs.stopped:
            for row in cell.rows:
                label = "kept" if row is cell.final_row else "passed"
                values = {name: row[name] for name in names}
                rows.append({"train_size": size, "seed": int(cell.cfg.seed), "is": label, **values})
        for end in runs.ends:
            rows.append({"train_size": size, "is": "end", **{name: end[name] for name in names}})
    return rows


def both_within(train: Sequence[float], test: Sequence[float]) -> str:
    """Return in how many runs log det Cov[q(z)] is within :data:`WITHIN` of 0 on both splits."""
    return f"{sum(max(map(abs, pair)) < WITHIN for pair in zip(train, test, strict=True))} of {len(test)}"


def _table(sizes: Mapping[int, Runs]) -> str:
    rows: list[list[object]] = []
    for size, runs in sizes.items():
        for label, found in (("stopped", [cell.final_row for cell in runs.stopped]), ("end of the budget", runs.ends)):
            if not found:
                continue
            train, test, steps = ([row[name] for row in found] for name in (f"train/{SIZE}", f"test/{SIZE}", "step"))
            row = [f"{size:,}", label, f"{min(steps):.0f}–{max(steps):.0f}", estimate(train), estimate(test)]
            row += [f"{max(map(abs, test)):.2f}", both_within(train, test)]
            rows.append([*row, estimate([row[f"test/{RECONSTRUCTION}"] for row in found])])
    header = ["digits", "model", "steps", "log det Cov[q(z)], train", "test", "worst seed, test", SEEDS]
    note = (
        "± is the standard error over seeds. Stopped: what `callbacks/near_prior` left, the weights of the latest "
        "measurement with |log det Cov[q(z)]| below its tolerance on training and validation digits, or, where there "
        "was none, of the nearest."
    )
    return f"{note}\n\n{markdown([*header, '−E log p(x given z), test (nats)'], rows)}"
