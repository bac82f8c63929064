"""Is adversarial training stable? The JS estimate and log det Cov[q(z)] over the epochs of one run.

    python train.py model=aae trainer.max_epochs=50 run_dir=outputs/aae
    python benchmarks/adversarial_stability.py outputs/aae

writes docs/figures/adversarial_stability.csv and .png from the run's metrics.csv.
"""

import argparse
import csv
import math
from pathlib import Path

import matplotlib.pyplot as plt

FIGURES = Path(__file__).parents[1] / "docs" / "figures"
PANELS = {
    "divergence": ("JS estimate (nats)", {"log 2": math.log(2), "q(z) = p(z)": 0.0}),
    "log_det_covariance": ("log det Cov[q(z)]", {"N(0, I)": 0.0}),
}
SPLITS = ("train", "test")


def read(path: Path) -> dict[str, list[float]]:
    """Columns of a run's metrics.csv, a number an epoch."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = ["epoch"] + [f"{split}/{quantity}" for quantity in PANELS for split in SPLITS]
    return {column: [float(row[column]) for row in rows] for column in columns}


def write_csv(columns: dict[str, list[float]], path: Path) -> None:
    """One row an epoch, to four decimals."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for epoch, *values in zip(*columns.values(), strict=True):
            writer.writerow([int(epoch), *(f"{value:.4f}" for value in values)])


def draw(columns: dict[str, list[float]], path: Path) -> None:
    """A panel a quantity, a line a split, dashes where it would be ideal or can't pass."""
    figure, axes = plt.subplots(1, len(PANELS), figsize=(9, 3.2), layout="constrained")
    for axis, (quantity, (label, references)) in zip(axes, PANELS.items(), strict=True):
        for split in SPLITS:
            axis.plot(columns["epoch"], columns[f"{split}/{quantity}"], label=split)
        for name, height in references.items():
            axis.axhline(height, color="grey", linestyle="--", linewidth=0.8)
            axis.annotate(name, (columns["epoch"][-1], height), ha="right", va="bottom", color="grey", fontsize=8)
        axis.set(xlabel="epoch", ylabel=label)
        axis.legend(frameon=False)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Read a run folder, write the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_folder", type=Path)
    columns = read(parser.parse_args().run_folder / "metrics.csv")
    FIGURES.mkdir(parents=True, exist_ok=True)
    write_csv(columns, FIGURES / "adversarial_stability.csv")
    draw(columns, FIGURES / "adversarial_stability.png")


if __name__ == "__main__":
    main()
