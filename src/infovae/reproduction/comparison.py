"""Compare the divergences by q(z), samples, the code's use and cost."""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure as Canvas

from infovae.pictures.canvas import rendered, style
from infovae.pictures.picture import Pixels
from infovae.reproduction.cells import Cell
from infovae.reproduction.colours import colours_of
from infovae.reproduction.figure import Figure, Findings, Row
from infovae.reproduction.tables import Estimate, estimate, grouped, markdown

COLUMNS = {
    "train/log_det_covariance": "log det Cov[q(z)], train",
    "test/log_det_covariance": "test",
    "test/mmd": "MMD²(q(z), p(z)), test",
    "test/class_mismatch": "class mismatch",
    "test/annealed_log_likelihood": "log p(x) by AIS, test (nats)",
    "test/simulated_gap": "AIS: upper − lower bound on simulated images",
    "test/error_linear_svm_with_1000_labels": "error with 1,000 labels, linear SVM",
    "test/error_self_trained_svm_with_1000_labels": "self-trained SVM",
    "test/reconstruction": "−E log p(x given z), test (nats)",
    "test/rate": "rate, test (nats)",
    "seconds": "seconds an epoch",
}
SHOWN = (
    "test/log_det_covariance",
    "test/mmd",
    "test/class_mismatch",
    "test/annealed_log_likelihood",
    "test/error_linear_svm_with_1000_labels",
)

Course = list[dict[str, float]]
"""The measurements after each epoch."""


class Method(NamedTuple):
    """An objective, and its divergence if that has a weight."""

    objective: str
    divergence: str

    def __str__(self) -> str:
        if self.divergence == "–":
            return self.objective
        return f"{self.divergence}, λ{self.objective.partition('λ')[2].partition(')')[0]}"


class Comparison(Figure):
    """Draw validation MMD over training time, and tabulate those numbers of the final weights that were measured."""

    title = "Divergences side by side, with the ELBO and the β-VAE"

    def draw(self, cells: Sequence[Cell]) -> Findings:
        numbers = {cell.folder: _numbers(cell) for cell in cells}
        groups = grouped(cells, arm_of)
        columns = {key: title for key, title in COLUMNS.items() if all(key in values for values in numbers.values())}
        found = {
            arm: {key: estimate([numbers[cell.folder][key] for cell in group]) for key in columns}
            for arm, group in groups.items()
        }
        courses = {arm: [_course(cell) for cell in group] for arm, group in groups.items()}
        header = ["objective", "divergence", *columns.values()]
        table = markdown(header, [[*arm, *values.values()] for arm, values in found.items()])
        note = "± is the standard error over seeds."
        if "test/class_mismatch" in columns:
            real = estimate([values["test/real_class_mismatch"] for values in numbers.values()]).mean
            note += f" Test digits in place of samples have class mismatch {real:.5f}."
        shown = {folder: {key: values[key] for key in columns} for folder, values in numbers.items()}
        rows: list[Row] = [_labels(cell) | shown[cell.folder] for cell in cells]
        rows += [_labels(cell) | point for cell in cells for point in _course(cell)]
        return Findings(_drawn(found, courses), rows, f"{note}\n\n{table}")


def arm_of(cell: Cell) -> Method:
    """Return the objective and divergence that a cell was trained with."""
    if not cell.objective.startswith("InfoVAE"):
        return Method(cell.objective, "–")
    divergence = str(cell.cfg.divergence["_target_"]).split(".")[-2]  # its file; the kernel is apart
    kernel = str(cell.cfg.divergence.kernel["_target_"]).split(".")[-1] if divergence == "mmd" else "Gaussian"
    return Method(cell.objective, divergence if kernel == "Gaussian" else f"{divergence} ({kernel})")


def _labels(cell: Cell) -> dict[str, float | str]:
    return arm_of(cell)._asdict() | {"seed": cell.cfg.seed}


def _numbers(cell: Cell) -> dict[str, float]:
    """Return numbers of the final weights: those of `infovae evaluate`, or else those of the run itself."""
    seconds = float(np.mean([row["train/seconds"] for row in cell.rows]))
    return cell.metrics | cell.evaluated | {"seconds": seconds}


def _course(cell: Cell) -> Course:
    spent = accumulate(row["train/seconds"] for row in cell.rows)
    names = ("step", "validation/mmd", "validation/log_det_covariance", "validation/elbo")
    return [
        {"training_seconds": seconds} | {name: row[name] for name in names}
        for row, seconds in zip(cell.rows, spent, strict=True)
    ]


def _drawn(found: dict[Method, dict[str, Estimate]], courses: dict[Method, list[Course]]) -> Pixels:
    colours = colours_of(map(str, found))
    with style():
        canvas = Canvas(figsize=(11, 6))
        panels = canvas.subplots(2, 3)
        shown = [key for key in SHOWN if key in next(iter(found.values()))]
        for axes in panels.flat[len(shown) : -1]:
            axes.set_axis_off()
        for position, (key, axes) in enumerate(zip(shown, panels.flat, strict=False)):
            for height, (arm, values) in enumerate(found.items()):
                mean, error = values[key]
                axes.errorbar(mean, -height, xerr=np.nan_to_num(error), color=colours[str(arm)], marker=".", capsize=2)
            named = list(map(str, found)) if position % 3 == 0 else [""] * len(found)
            axes.set_yticks([-height for height in range(len(found))], named)
            axes.set_title(COLUMNS[key] if key != "test/log_det_covariance" else "log det Cov[q(z)], test")
        panels[0, 0].axvline(0, color="0.3", linewidth=0.8)
        course = panels[1, 2]
        for arm, runs in courses.items():
            for position, run in enumerate(runs):
                seconds, mmd = ([point[key] for point in run] for key in ("training_seconds", "validation/mmd"))
                course.plot(seconds, mmd, color=colours[str(arm)], linewidth=0.9, label=None if position else str(arm))
        course.set_yscale("symlog", linthresh=1e-3)
        course.set(xlabel="seconds of training", title="MMD²(q(z), p(z)), validation")
        canvas.legend(*course.get_legend_handles_labels(), loc="outside lower center", ncols=5)
        return rendered(canvas)
