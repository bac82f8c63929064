"""What docs/architecture.md promises: who imports whom, and a divergence in two files.

python tests/test_architecture.py writes the page's list of rooms anew.
"""

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
    ["errors", "exact", "codes", "objective", "parallel", "schedules", "streams", "terminal", "terms"],
    [
        "priors",
        "fitted_priors",
        "posteriors",
        "likelihoods",
        "conditions",
        "networks",
        "optimizers",
        "schedulers",
        "runs",
    ],
    ["model", "bounds"],
    ["divergences", "data", "metrics", "classifier"],
    ["pictures"],
    ["autoencoder", "module", "adapters", "modules"],
    ["config"],
    ["sweeps"],
    ["training"],
    ["evaluation"],
    ["reproduction", "dashboard", "use"],
    ["app", "hydra_plugins", "__main__"],
]
"""The rooms by layer. A room imports from its own layer and those before it, and no circle of rooms is allowed."""
LAYER = {room: layer for layer, rooms in enumerate(LAYERS) for room in rooms}
PAGE = PROJECT / "docs" / "architecture.md"
IMPURE = {"pytorch_lightning", "hydra", "omegaconf", "wandb", "pathlib"}
PURE = (
    "codes", "objective", "priors", "fitted_priors", "posteriors", "likelihoods", "conditions", "networks",
    "divergences", "optimizers", "schedulers", "schedules",
)  # fmt: skip


FILES = sorted(path for path in SOURCE.parent.rglob("*.py") if path != SOURCE / "__init__.py")


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def room_of(path: Path) -> str:
    package, *parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return parts[0] if package == "infovae" else package


def rooms_imported(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imports_of(path) if name.startswith("infovae.")} - {room_of(path)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE.parent)))
def test_imports_go_one_way(path: Path) -> None:
    room = room_of(path)
    above = {other for other in rooms_imported(path) if LAYER[other] > LAYER[room]}
    assert not above, f"{room} imports {above}, which stands above it"
    if room in PURE:
        assert not {name.split(".")[0] for name in imports_of(path)} & IMPURE


def test_nothing_leans_on_hydra_s_inside() -> None:
    assert not [path.name for path in FILES if any("hydra._internal" in name for name in imports_of(path))]


def test_no_room_closes_a_circle() -> None:
    arrows: dict[str, set[str]] = {}
    for path in FILES:
        arrows.setdefault(room_of(path), set()).update(rooms_imported(path))
    TopologicalSorter(arrows).prepare()  # raises CycleError, which names the rooms


def test_no_public_name_is_defined_twice() -> None:
    places: dict[str, list[str]] = {}
    for path in FILES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(path.relative_to(SOURCE.parent)))
    twice = {name: found for name, found in places.items() if len(found) > 1}
    # Both are named by configs of finished runs.
    assert twice == {"Gaussian": ["infovae/divergences/kernels.py", "infovae/likelihoods/gaussian.py"]}


def test_few_modules_stand_at_the_root() -> None:
    assert len(list(SOURCE.glob("*.py"))) <= 11


def listed_rooms() -> str:
    """The rooms in a Markdown table, each with its layer and the first line of its docstring."""
    lines = ["| layer | room | what it is for |", "|---|---|---|"]
    for room, layer in LAYER.items():
        (path,) = [path for path in places(room) if path.is_file()]
        docstring = (
            (ast.get_docstring(ast.parse(path.read_text())) or "")
            .partition("\n")[0]
            .replace("``", "`")
            .replace("|", r"\|")
        )
        lines.append(f"| {layer + 1} | `{room}{'.py' if path.stem == room else '/'}` | {docstring} |")
    return "\n".join(lines)


def places(room: str) -> list[Path]:
    return [SOURCE / f"{room}.py", SOURCE / room / "__init__.py", SOURCE.parent / room / "infovae_sweepers/__init__.py"]


def page_with_rooms() -> str:
    before, start, rest = PAGE.read_text().partition("<!-- made by python tests/test_architecture.py -->\n")
    _, end, after = rest.partition("<!-- end -->\n")
    assert start
    assert end
    return f"{before}{start}\n{listed_rooms()}\n\n{end}{after}"


def test_the_page_lists_the_rooms() -> None:
    assert PAGE.read_text() == page_with_rooms(), "run python tests/test_architecture.py"


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
                "fitted_prior": "fitted_priors", "likelihood": "likelihoods", "metrics": "metrics",
                "pictures": "pictures", "scheduler": "schedulers", "bound": "bounds",
                "condition": "conditions"}  # fmt: skip
    for group, package in packages.items():
        for path in (CONF / group).rglob("*.yaml"):
            for target in re.findall(r"_target_: infovae\.(\w+)", path.read_text()):
                assert target == package, path


def test_requirements_are_those_of_the_package() -> None:
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dependencies"]
    lines = (PROJECT / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith(("#", "-e"))] == declared


if __name__ == "__main__":
    PAGE.write_text(page_with_rooms())
