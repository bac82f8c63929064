"""The Python of docs/howto/library.md, fit_prior.md and export.md, as written, and what importing costs."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from conftest import PROJECT
from test_export import configured
from test_export import trained as trained  # a fixture

from infovae.evaluation.export import export


def snippets(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (PROJECT / page).read_text(), re.S)


def run(code: str, folder: Path) -> str:
    answer = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert not re.search(r"\.py:\d+: ", answer.stderr), answer.stderr  # a warning
    return answer.stdout


def test_the_snippets_run_as_written(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "RUN")
    functions, _, folder = snippets("docs/howto/library.md")
    told, found = run(f"{functions}\nprint('then')\n{folder}", tmp_path).split("then\n")
    assert told.count("tensor(") == 3
    assert found.startswith("[[")


def test_a_prior_is_fitted_as_written(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "RUN")
    (code,) = snippets("docs/howto/fit_prior.md")
    gain, shape = run(code, tmp_path).splitlines()
    assert gain.startswith("Gain(log_prob=-")
    assert shape == "torch.Size([4, 1, 28, 28])"


def test_exported_programs_run_as_written(trained: Path, tmp_path: Path) -> None:
    """A program runs where this package is not."""
    shutil.copytree(trained, tmp_path / "RUN")
    export(configured(tmp_path / "RUN"))
    pt2, onnx, *_ = snippets("docs/howto/export.md")
    own = "\nimport sys; print('infovae' in sys.modules, 'torch' in sys.modules)"
    assert run(pt2 + own, tmp_path).splitlines() == [
        "torch.Size([5, 3]) torch.Size([5, 1, 28, 28])",
        "False True",
    ]
    assert run(onnx + own, tmp_path).splitlines() == ["(5, 3) (5, 1, 28, 28)", "False False"]


def test_the_lightning_module_works_without_hydra_in_ten_lines(tmp_path: Path) -> None:
    _, lightning, _ = snippets("docs/howto/library.md")
    assert len(lightning.partition("\n\n")[2].splitlines()) <= 10, "below its imports"
    answer = run(f"{lightning}\nimport sys; print('hydra' in sys.modules)", tmp_path)
    assert answer.splitlines()[-2:] == ["torch.Size([4, 1, 8, 8])", "False"]


def test_importing_the_package_does_not_wait_for_torch(tmp_path: Path) -> None:
    assert run("import infovae, sys; print('torch' in sys.modules)", tmp_path) == "False\n"
