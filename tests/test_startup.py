"""What a command doesn't use it doesn't import: told by the modules that are there at its end, not by the clock."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROJECT

from infovae.config import imports

UNUSED_BY_ANY_ANSWER = {"torch", "pytorch_lightning", "wandb", "matplotlib", "sklearn", "scipy", "plotly", "optuna",
                        "joblib", "submitit", "ray", "pydantic"}  # fmt: skip


def imported(folder: Path, *arguments: str) -> set[str]:
    """Top-level packages that `infovae train` has imported when it ends."""
    script = (
        "import atexit, sys\n"
        "tell = lambda: print('\\nimported', *sorted({name.partition('.')[0] for name in list(sys.modules)}))\n"
        "atexit.register(tell)\n"
        "from infovae.app.command import main\n"
        "main()"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script, "train", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(PROJECT / "src"), "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    names = set(answer.stdout.rpartition("\nimported ")[2].split())
    assert {"hydra", "infovae"} <= names
    return names


@pytest.mark.parametrize("arguments", [("--help",), ("--cfg", "job")], ids=["help", "cfg"])
def test_answers_need_no_torch(arguments: tuple[str, ...], tmp_path: Path) -> None:
    assert not imported(tmp_path, *arguments) & UNUSED_BY_ANY_ANSWER


def test_a_run_imports_what_it_uses(tmp_path: Path) -> None:
    run = ("data=digits", "logger=none", "callbacks=none", "trainer.max_epochs=1", "trainer.accelerator=cpu")
    names = imported(tmp_path, *run, "hydra.run.dir=run")
    # matplotlib comes with torchmetrics, joblib with scikit-learn's digits, and so does pandas where it is installed.
    assert not names & {"wandb", "plotly", "optuna", "submitit", "ray", "tensorboard", "onnx", "IPython"}


def test_imports_leave_their_objects_out_of_collections_and_the_collector_on() -> None:
    with pytest.raises(ModuleNotFoundError):
        imports.imported("infovae.nowhere")
    before = gc.get_freeze_count()
    sys.modules.pop("xml.sax.expatreader", None)
    assert imports.imported("xml.sax.expatreader") is sys.modules["xml.sax.expatreader"]
    assert gc.isenabled()
    assert gc.get_freeze_count() > before
