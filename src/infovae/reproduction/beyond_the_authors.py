"""An aggregate posterior that has the prior's size on unseen digits too."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure as Canvas

from infovae.pictures.canvas import CLASS_COLOURS, rendered, style
from infovae.pictures.picture import Pixels
from infovae.reproduction.cells import Cell
from infovae.reproduction.figure import Figure, Findings, Row
from infovae.reproduction.tables import estimate, grouped, markdown

WITHIN = 0.3
"""Of 0, for log det Cov[q(z)] on both splits: what is looked for."""

SIZE, RECONSTRUCTION = "log_det_covariance", "reconstruction"
LINES = {"train": "dotted", "validation": "dashed", "test": "solid"}


class Pair(NamedTuple):
    """Two runs of one seed.

    Attributes:
        stopped: by :class:`infovae.callbacks.near_prior.NearPrior`.
        end: with the whole budget.
    """

    stopped: Cell
    end: Cell


class BeyondTheAuthors(Figure):
    """The paper's point, stopped by training and validation digits, and at the end of its budget."""

    title = "Beyond the authors: log det Cov[q(z)] near 0 on seen and unseen digits alike"

    def draw(self, cells: Sequence[Cell]) -> Findings:
        sizes = {
            size: pairs
            for size, group in grouped(cells, lambda cell: int(cell.cfg.data.train_size)).items()
            if (pairs := _paired(group))
        }
        return Findings(_drawn(sizes), _rows(sizes), _table(sizes))


def _paired(cells: Sequence[Cell]) -> list[Pair]:
    """The two cells of each seed of a size; seeds without both are left out."""
    seeds = grouped(cells, lambda cell: int(cell.cfg.seed))
    pairs = []
    for _, group in sorted(seeds.items()):
        stopped = [cell for cell in group if cell.cfg.callbacks.near_prior is not None]
        end = [cell for cell in group if cell not in stopped]
        pairs += [Pair(*pair) for pair in zip(stopped, end, strict=False)]
    return pairs


def _drawn(sizes: Mapping[int, Sequence[Pair]]) -> Pixels:
    with style():
        canvas = Canvas(figsize=(3.2 * max(1, len(sizes)), 3.4))
        for position, (size, runs) in enumerate(sizes.items(), start=1):
            axes = canvas.add_subplot(1, len(sizes), position)
            axes.axhspan(-WITHIN, WITHIN, color="0.9")
            for run, colour in zip(runs, CLASS_COLOURS, strict=False):
                steps = [row["step"] for row in run.stopped.rows]
                for split in ("train", "test"):
                    values = [row[f"{split}/{SIZE}"] for row in run.stopped.rows]
                    axes.plot(steps, values, color=colour, linestyle=LINES[split], linewidth=0.9)
                kept = run.stopped.final_row
                axes.plot(kept["step"], kept[f"test/{SIZE}"], color=colour, marker="o", markersize=4)
            for split, line in LINES.items():
                if split != "validation":
                    axes.plot([], [], color="0.3", linestyle=line, label=split)
            axes.plot([], [], color="0.3", marker="o", linewidth=0, markersize=4, label="kept")
            axes.set(title=f"{size:,} digits", xlabel="steps", ylim=(-3, 3))
            if position == 1:
                axes.set_ylabel("log det Cov[$q(z)$], ideal 0")
                axes.legend(fontsize=7)
        return rendered(canvas)


def _rows(sizes: Mapping[int, Sequence[Pair]]) -> list[Row]:
    names = [f"{split}/{name}" for split in LINES for name in (SIZE, RECONSTRUCTION)]
    return [
        {
            "train_size": size,
            "seed": run.stopped.cfg.seed,
            "step": row["step"],
            "is": label,
            **{name: row[name] for name in names},
        }
        for size, runs in sizes.items()
        for run in runs
        for label, row in (
            *(("kept" if row is run.stopped.final_row else "passed", row) for row in run.stopped.rows),
            ("end", run.end.final_row),
        )
    ]


def _table(sizes: Mapping[int, Sequence[Pair]]) -> str:
    rows: list[list[object]] = []
    for size, runs in sizes.items():
        for label, measurements in (
            ("stopped", [run.stopped.final_row for run in runs]),
            ("end of the budget", [run.end.final_row for run in runs]),
        ):
            values = {split: [row[f"{split}/{SIZE}"] for row in measurements] for split in ("train", "test")}
            inside = sum(max(map(abs, pair)) < WITHIN for pair in zip(values["train"], values["test"], strict=True))
            rows.append(
                [
                    f"{size:,}",
                    label,
                    f"{min(row['step'] for row in measurements):.0f}–{max(row['step'] for row in measurements):.0f}",
                    estimate(values["train"]),
                    estimate(values["test"]),
                    f"{max(map(abs, values['test'])):.2f}",
                    f"{inside} of {len(runs)}",
                    estimate([row[f"test/{RECONSTRUCTION}"] for row in measurements]),
                ]
            )
    header = [
        "digits",
        "model",
        "steps",
        "log det Cov[q(z)], train",
        "test",
        "worst seed, test",
        "seeds with both within 0.3",
    ]
    note = (
        "± is the standard error over seeds. Stopped: what `callbacks/near_prior` left, the weights of the latest "
        "measurement with |log det Cov[q(z)]| below its tolerance on training and validation digits, or, where there "
        "was none, of the nearest."
    )
    return f"{note}\n\n{markdown([*header, '−E log p(x given z), test (nats)'], rows)}"
