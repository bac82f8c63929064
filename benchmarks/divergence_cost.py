"""Time and memory of a training step of each divergence as the batch grows from 128 to 32,768 codes of 10 dimensions.

    python benchmarks/divergence_cost.py         # all, minutes; writes docs/divergences.md and its figures
    python benchmarks/divergence_cost.py kl mmd  # these only, printed

A step is adapt, forward and backward, on one thread; the time is the median of windows of at least 0.2 s. Memory is how
far the peak resident size of a process of its own rises over what it was before the first batch, so it counts what
the operating system saw, to about 1 MB. Cells that the last two foretell to need over 4 GB or a minute are left out.
"""

import csv
import json
import statistics
import subprocess
import sys
from pathlib import Path
from time import perf_counter

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


def work(overrides: list[str]) -> None:
    """In a process of its own: measure one divergence at each size and print a line of JSON for each."""
    import resource

    import torch
    from divergence_options import codes_at, make

    from infovae.priors.standard_normal import StandardNormal

    torch.set_num_threads(1)
    torch.manual_seed(0)
    divergence, prior = make(overrides, DIMENSION), StandardNormal(DIMENSION)

    def step(n: int) -> float:
        points = torch.randn(n, DIMENSION, requires_grad=True)
        codes = codes_at(points, divergence, 0.05, n)
        start = perf_counter()
        divergence.adapt(codes.detach(), prior)
        divergence(codes, prior).backward()
        return perf_counter() - start

    def peak() -> float:
        unit = 1 if sys.platform == "darwin" else 1024
        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)

    for _ in range(3):
        step(max(16, divergence.minimum_batch))
    base, seconds, memory = peak(), [], []
    for n in SIZES:
        foretold = foretell(seconds, 1e-5), foretell(memory, 1e6)
        if foretold[0] > SECONDS_LIMIT or foretold[1] > MEMORY_LIMIT:
            print(json.dumps({"n": n, "left_out": True, "seconds": foretold[0], "bytes": foretold[1]}), flush=True)
            break
        first = step(n)
        repeats = max(1, round(0.2 / first))
        windows = WINDOWS if first < 2 else 1
        seconds.append(statistics.median(sum(step(n) for _ in range(repeats)) / repeats for _ in range(windows)))
        memory.append(peak() - base)
        print(json.dumps({"n": n, "left_out": False, "seconds": seconds[-1], "bytes": memory[-1]}), flush=True)


def measure(name: str, overrides: list[str]) -> list[Cell]:
    """The cells of one divergence. The parent stays small: a child's peak starts from its parent's."""
    command = [sys.executable, __file__, "--worker", *overrides]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [{"name": name, **json.loads(line)} for line in output.splitlines()]


def list_options() -> dict[str, list[str]]:
    """Names and overrides, from a child as well: what finds them loads torch."""
    program = "import json; from divergence_options import options; print(json.dumps(options()))"
    folder = Path(__file__).parent
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=folder)
    found: dict[str, list[str]] = json.loads(output.stdout)
    return found


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
    lines = ["| divergence | " + " | ".join(f"n = {n:,}" for n in SIZES) + " |", "|---" * (len(SIZES) + 1) + "|"]
    for name in dict.fromkeys(cell["name"] for cell in cells):
        by_size = {cell["n"]: cell for cell in cells if cell["name"] == name}
        lines.append(f"| {name} | " + " | ".join(entry(by_size.get(n)) for n in SIZES) + " |")
    return "\n".join(lines)


def draw(cells: list[Cell], path: Path) -> None:
    """Time and memory against n."""
    from matplotlib.figure import Figure

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
    figure.legend(loc="outside right", fontsize=7)
    figure.savefig(path, dpi=100)


def main(names: list[str]) -> None:
    """Run, write and print."""
    cells: list[Cell] = []
    for name, overrides in list_options().items():
        if names and name not in names:
            continue
        cells += measure(name, overrides)
        print(table([cell for cell in cells if cell["name"] == name]).splitlines()[-1], flush=True)
    if names:
        return
    from divergence_options import ROOT, write_between_markers

    figures = ROOT / "docs" / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    with (figures / "divergence_cost.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, cells[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(cells)
    draw(cells, figures / "divergence_cost.png")
    write_between_markers(ROOT / "docs" / "divergences.md", "cost", table(cells))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(sys.argv[2:])
    else:
        main(sys.argv[1:])
