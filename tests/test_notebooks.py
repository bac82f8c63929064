"""The notebooks: what they name exists, and they run from top to bottom."""

import ast
import importlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import PROJECT
from nbclient import NotebookClient

NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
LARGEST = 400_000
"""Bytes of a notebook with its outputs."""

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path: Path, kind: str) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


def code(path: Path) -> str:
    return "\n".join("".join(cell["source"]) for cell in cells(path, "code"))


def test_there_are_two() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["infovae_in_100_lines", "which_divergence"]


@each_notebook
def test_every_import_exists(path: Path) -> None:
    for node in ast.walk(ast.parse(code(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                importlib.import_module(alias.name)
        elif isinstance(node, ast.ImportFrom):
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                getattr(module, alias.name)


@each_notebook
def test_every_linked_file_exists(path: Path) -> None:
    text = "\n".join("".join(cell["source"]) for cell in cells(path, "markdown"))
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert targets
    for target in targets:
        assert (path.parent / target).exists(), target


@each_notebook
def test_it_is_small_and_was_run(path: Path) -> None:
    assert path.stat().st_size < LARGEST
    run = cells(path, "code")
    assert [cell["execution_count"] for cell in run] == list(range(1, len(run) + 1))
    assert "error" not in [output["output_type"] for cell in run for output in cell["outputs"]]


def test_infovae_has_100_lines() -> None:
    lines = [line for line in code(PROJECT / "notebooks/infovae_in_100_lines.ipynb").splitlines() if line.strip()]
    assert len(lines) <= 100


@pytest.mark.slow
@each_notebook
def test_it_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A copy of what it reads, so that runs that were left in outputs/ can't stand in for its own.
    for name in ("src", "conf", "data"):
        (tmp_path / name).symlink_to(PROJECT / name)
    shutil.copy(PROJECT / "train.py", tmp_path)
    shutil.copytree(PROJECT / "notebooks", tmp_path / "notebooks")
    monkeypatch.setenv("PYTHONPATH", str(PROJECT / "src"))
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(tmp_path / "notebooks")}}
    NotebookClient(notebook, timeout=1200, kernel_name="python3", resources=resources).execute()
