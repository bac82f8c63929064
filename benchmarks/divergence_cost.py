"""Time and memory of a training step of each divergence as the batch grows from 128 to 32,768 codes of 10 dimensions.

    python benchmarks/divergence_cost.py         # all, minutes; writes docs/divergences.md and its figures
    python benchmarks/divergence_cost.py kl mmd  # these only, printed

A step is adapt, forward and backward, on one thread; the time is the median of windows of at least 0.2 s. Memory is how
far the peak resident size of a process of its own rises over what it was before the first batch (Linux only).
Cells that the last two foretell to need over 4 GB or a minute are left out.
"""

import statistics
import sys
from pathlib import Path
from time import perf_counter

import torch
from divergence_options import all_divergences, codes_at, make
from matplotlib.figure import Figure
from peak_memory import alone, forget_peak, peak
from results import ROOT, write_between_markers, write_csv

from infovae.priors.standard_normal import StandardNormal
from infovae.reproduction.tables import markdown

SIZES = (128, 512, 2048, 8192, 32768)
DIMENSION = 10
MEMORY_LIMIT = 4e9
SECONDS_LIMIT = 60.0
WINDOWS = 5

Cell = dict[str, str | float]


def foretell(values: list[float], floor: float) -> float:
    """The next of a series in n, n being multiplied by 4: the last ratio again, at most that of n^2."""
    if not values:
        return 0.0
    last, before = max(values[-1], floor), max(values[-2], floor) if len(values) > 1 else floor
    return last * min(16.0, max(4.0, last / before))


def measure(name: str, overrides: list[str]) -> list[Cell]:
    """The cells of one divergence, in this process."""
    torch.manual_seed(0)
    divergence, prior = make(overrides, DIMENSION), StandardNormal(DIMENSION)

    def step(n: int) -> float:
        points = torch.randn(n, DIMENSION, requires_grad=True)
        codes = codes_at(points, divergence, 0.05, n)
        start = perf_counter()
        divergence.adapt(codes.detach(), prior)
        divergence(codes, prior).backward()
        return perf_counter() - start

    for _ in range(3):
        step(max(16, divergence.minimum_batch))
    base, cells = forget_peak(), list[Cell]()
    seconds, memory = list[float](), list[float]()
    for n in SIZES:
        foretold = foretell(seconds, 1e-5), foretell(memory, 1e6)
        if foretold[0] > SECONDS_LIMIT or foretold[1] > MEMORY_LIMIT:
            return [*cells, {"name": name, "n": n, "left_out": True, "seconds": foretold[0], "bytes": foretold[1]}]
        first = step(n)
        repeats = max(1, round(0.2 / first))
        windows = WINDOWS if first < 2 else 1
        seconds.append(statistics.median(sum(step(n) for _ in range(repeats)) / repeats for _ in range(windows)))
        memory.append((peak() - base) * 2**20)
        cells.append({"name": name, "n": n, "left_out": False, "seconds": seconds[-1], "bytes": memory[-1]})
    return cells


def entry(cell: Cell | None) -> str:
    """A cell of the Markdown table."""
    if cell is None:
        return ""
    if cell["left_out"]:
        reason = f"{float(cell['bytes']) / 1e9:.0f} GB" if float(cell["bytes"]) > MEMORY_LIMIT else "over a minute"
        return f"*left out: {reason}*"
    return f"{1e3 * float(cell['seconds']):.3g} ms, {max(0.0, float(cell['bytes'])) / 1e6:.0f} MB"


def table(cells: list[Cell]) -> str:
    """A row a divergence, a column a batch size."""
    rows = []
    for name in dict.fromkeys(cell["name"] for cell in cells):
        by_size = {cell["n"]: cell for cell in cells if cell["name"] == name}
        rows.append([name, *(entry(by_size.get(n)) for n in SIZES)])
    return markdown(["divergence", *(f"n = {n:,}" for n in SIZES)], rows)


def draw(cells: list[Cell], path: Path) -> None:
    """Time and memory against n."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.subplots(1, 2)
    names = list(dict.fromkeys(cell["name"] for cell in cells))
    for position, name in enumerate(names):
        mine = [cell for cell in cells if cell["name"] == name and not cell["left_out"]]
        style = {"color": f"C{position % 10}", "linestyle": ("-", "--")[position // 10 % 2], "marker": "o"}
        sizes = [cell["n"] for cell in mine]
        axes[0].loglog(sizes, [1e3 * float(cell["seconds"]) for cell in mine], markersize=3, label=name, **style)
        axes[1].loglog(sizes, [max(1.0, float(cell["bytes"]) / 1e6) for cell in mine], markersize=3, **style)
    axes[0].set(xlabel="batch size n", ylabel="ms a step, one thread")
    axes[1].set(xlabel="batch size n", ylabel="extra memory, MB (1: at most 1)")
    figure.legend(loc="outside right center", fontsize=7)
    figure.savefig(path, dpi=100)


def main(names: list[str]) -> None:
    """Run, write and print."""
    cells: list[Cell] = []
    for name, overrides in all_divergences().items():
        if not names or name in names:
            cells += (found := alone(measure, name, overrides))
            print(table(found).splitlines()[-1], flush=True)
    if not names:
        write_csv(ROOT / "docs/figures/divergence_cost.csv", cells)
        draw(cells, ROOT / "docs/figures/divergence_cost.png")
        write_between_markers("divergences.md", "cost", table(cells))


if __name__ == "__main__":
    main(sys.argv[1:])
