"""docs/library.md, as written, and what importing costs."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from conftest import PROJECT
from test_export import trained as trained  # a fixture

SNIPPETS = re.findall(r"```python\n(.*?)```", (PROJECT / "docs" / "library.md").read_text(), re.S)


def run(code: str, folder: Path) -> str:
    answer = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_the_snippets_run_as_written(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "RUN")
    functions, lightning, folder = SNIPPETS
    assert run(functions, tmp_path).count("tensor(") == 3
    assert "hydra" not in lightning
    assert "torch.Size([4, 1, 8, 8])" in run(lightning, tmp_path)
    assert run(folder, tmp_path).startswith("tensor([[")


def test_importing_the_package_does_not_wait_for_torch(tmp_path: Path) -> None:
    assert run("import infovae, sys; print('torch' in sys.modules)", tmp_path) == "False\n"
