"""All that a GPU can tell in eight minutes, on a machine that may have no more than torch and Lightning.

    python benchmarks/gpu.py --wheels         # where there is a package index: puts what may be missing into wheels/
    python benchmarks/gpu.py --output FOLDER  # on the machine with the GPU, in this clone with wheels/

Checks come first, then speeds, then cells of the paper's Figure 2 for as long as is left. Each part has a limit of its
own, and one that fails leaves the others alone. FOLDER gets what each printed, and report.md.
"""

import argparse
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

from results import ROOT

HERE = ROOT / "benchmarks"
WHEELS = ROOT / "wheels"
NEEDED = {
    "hydra": "hydra-core", "jaxtyping": "jaxtyping", "pydantic": "pydantic", "rich": "rich", "psutil": "psutil",
    "matplotlib": "matplotlib", "pytest": "pytest", "xdist": "pytest-xdist", "beartype": "beartype",
}  # fmt: skip
"""What a bare machine may lack, by the name that Python imports."""

ON_TORCH = {"geomloss": "geomloss", "zuko": "zuko"}
"""The same, of packages that would bring another torch."""


def fetch() -> None:
    """Put wheels of what may be missing into wheels/. Runs go without wandb, whose logger says so."""
    command = [sys.executable, "-m", "pip", "wheel", "-c", str(ROOT / "constraints.txt"), "--wheel-dir", str(WHEELS)]
    subprocess.run([*command, *NEEDED.values()], check=True)
    subprocess.run([*command, "--no-deps", *ON_TORCH.values()], check=True)


def install() -> None:
    """Install from wheels/ what can't be imported."""
    command = [sys.executable, "-m", "pip", "install", "--no-index", "--find-links", str(WHEELS)]
    for packages, options in ((NEEDED, []), (ON_TORCH, ["--no-deps"])):
        missing = [package for name, package in packages.items() if find_spec(name) is None]
        if missing:
            subprocess.run([*command, *options, *missing], check=False)


def parts(output: Path) -> list[tuple[str, float, list[str]]]:
    """Return the parts: a name, the seconds that it may take, and a command."""
    train, python = [sys.executable, str(ROOT / "train.py"), "logger=none", "trainer=gpu"], sys.executable
    quiet = ["trainer.enable_progress_bar=false", f"data.root={ROOT / 'data'}"]
    run = output / "main_job"
    metrics = "metrics=[log_det_covariance,mmd,annealed_importance]"
    workers = [python, str(HERE / "training_epochs.py"), "--quick", "--networks", "mlp", "--threads", "1"]
    overhead = [python, str(HERE / "overhead.py"), "--quick", "--threads", "1", "--rounds", "3"]
    figure = [python, "-m", "infovae", "reproduce", "figure=log_det_cov", "scale=paper", f"runs={output}/cells"]
    return [
        ("device", 20, [python, "-c", "import torch; print(torch.__version__, torch.cuda.get_device_name())"]),
        ("tests", 150, [python, "-m", "pytest", "-n", "0", "-q", str(ROOT / "tests" / "gpu")]),
        ("main job", 90, [*train, *quiet, "compile=true", "trainer.max_epochs=5", f"hydra.run.dir={run}"]),
        ("main job, resumed", 60, [*train, *quiet, "compile=true", "trainer.max_epochs=6", "resume=auto",
          f"hydra.run.dir={run}"]),
        ("streamed", 45, [*train, *quiet, "data.streaming=always", "trainer.max_epochs=1",
          f"hydra.run.dir={output}/streamed"]),
        ("evaluate with AIS", 60, [python, str(ROOT / "evaluate.py"), f"run={run}", metrics, "device=cuda"]),
        ("beside a bare loop", 120, overhead),
        ("beside pythae", 90, workers),
        ("Figure 2", 480, [*figure, 'cells=["trainer=gpu"]', f"output={output}/results"]),
    ]  # fmt: skip


def main() -> None:
    """Fetch the wheels, or run the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", action="store_true", help="download them, and do nothing else")
    parser.add_argument("--output", type=Path, default=Path("gpu"))
    parser.add_argument("--minutes", type=float, default=8)
    arguments = parser.parse_args()
    if arguments.wheels:
        fetch()
        return
    end, output = perf_counter() + 60 * arguments.minutes, arguments.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    install()
    paths = os.pathsep.join(map(str, (ROOT / "src", ROOT / "tests", HERE)))
    environment = {**os.environ, "PYTHONPATH": paths, "WANDB_MODE": "offline", "OMP_NUM_THREADS": "4"}
    lines = ["| part | seconds | ended |", "|---|---|---|"]
    for name, limit, command in parts(output):
        start = perf_counter()
        log = output / f"{name.replace(' ', '_')}.log"
        with log.open("w") as file:
            try:
                seconds = max(1, min(limit, end - start))
                done = subprocess.run(
                    command, env=environment, cwd=ROOT, stdout=file, stderr=file, timeout=seconds, check=False
                )
                ended = "well" if done.returncode == 0 else f"with status {done.returncode}"
            except subprocess.TimeoutExpired:
                ended = "cut at its limit"
        lines.append(f"| {name} | {perf_counter() - start:.0f} | {ended} |")
        (output / "report.md").write_text("\n".join(lines) + "\n")
        print(lines[-1], "\n", *log.read_text(errors="replace").splitlines(keepends=True)[-12:], flush=True)


if __name__ == "__main__":
    main()
