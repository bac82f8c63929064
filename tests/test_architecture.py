"""What docs/architecture.md promises: who imports whom, and a divergence in two files."""

import ast
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from conftest import CONF, PROJECT, SMALL

SOURCE = PROJECT / "src" / "infovae"
LAYERS = [
    ["errors", "codes", "objective", "parallel", "streams", "terminal"],
    ["priors", "posteriors", "likelihoods", "networks", "runs"],
    ["model"],
    ["divergences", "data", "metrics", "classifier"],
    ["pictures"],
    ["module", "adapters"],
    ["config"],
    ["sweeps"],
    ["training"],
    ["evaluation"],
    ["reproduction", "dashboard"],
    ["app"],
]
"""The rooms, from the lowest up: a room imports from its own layer and those below it, and no circle is closed."""
LAYER = {room: layer for layer, rooms in enumerate(LAYERS) for room in rooms}
PURE = ("codes", "objective", "priors", "posteriors", "likelihoods", "networks", "divergences")


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_one_way(path: Path) -> None:
    room = path.relative_to(SOURCE).with_suffix("").parts[0]
    if room == "__init__":
        return
    for name in imports_of(path):
        if name.startswith("infovae."):
            assert LAYER[name.split(".")[1]] <= LAYER[room], f"{room} imports {name}"
        if room in PURE:
            assert name.split(".")[0] not in ("pytorch_lightning", "hydra", "omegaconf", "wandb", "pathlib")


def test_no_room_closes_a_circle() -> None:
    arrows: dict[str, set[str]] = {}
    for path in SOURCE.rglob("*.py"):
        room = path.relative_to(SOURCE).with_suffix("").parts[0]
        met = {name.split(".")[1] for name in imports_of(path) if name.startswith("infovae.")}
        arrows.setdefault(room, set()).update(met - {room})
    arrows.pop("__init__")
    tuple(TopologicalSorter(arrows).static_order())  # raises CycleError, which names the rooms


def test_the_documented_divergence_works_as_written(tmp_path: Path) -> None:
    text = (PROJECT / "docs" / "architecture.md").read_text()
    text = text.split("## Add a divergence in two files")[1].split("\n## ")[0]
    (python,), (yaml,) = re.findall(r"```python\n(.*?)```", text, re.S), re.findall(r"```yaml\n(.*?)```", text, re.S)
    # A clone's own folders, so that this one stays as it is.
    for folder in ("src", "conf"):
        subprocess.run(["cp", "-r", str(PROJECT / folder), str(tmp_path)], check=True)
    subprocess.run(["cp", str(PROJECT / "train.py"), str(tmp_path)], check=True)
    (tmp_path / "src/infovae/divergences/moments.py").write_text(python)
    (tmp_path / "conf/divergence/moments.yaml").write_text(yaml)
    command = [sys.executable, "train.py", *SMALL, "divergence=moments", "divergence.weight=2", "trainer.max_epochs=1"]
    environment = {"PYTHONPATH": str(tmp_path / "src"), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    answer = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "Moments" in answer.stdout + answer.stderr


def test_every_target_is_a_class_or_function_of_the_mirrored_package() -> None:
    packages = {"divergence": "divergences", "network": "networks", "prior": "priors", "posterior": "posteriors",
                "likelihood": "likelihoods", "metrics": "metrics", "pictures": "pictures"}  # fmt: skip
    for group, package in packages.items():
        for path in (CONF / group).rglob("*.yaml"):
            for target in re.findall(r"_target_: infovae\.(\w+)", path.read_text()):
                assert target == package, path


def test_requirements_are_those_of_the_package() -> None:
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dependencies"]
    lines = (PROJECT / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith(("#", "-e"))] == declared
