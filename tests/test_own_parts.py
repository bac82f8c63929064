"""docs/howto/own_parts.md, as written: its files in a folder of their own, and its commands run from there."""

import csv
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PROJECT, Command

TEXT = (PROJECT / "docs" / "howto" / "own_parts.md").read_text()
FILES = dict(re.findall(r"`((?:mine|conf)/[\w/]+\.(?:py|yaml))`:\n\n```(?:python|yaml)\n(.*?)```", TEXT, re.S))
COMMANDS = [command.replace("\\\n", "") for command in re.findall(r"```bash\n(infovae train .*?)\n```", TEXT, re.S)]
SHORT = (
    "trainer.max_epochs=1 trainer.accelerator=cpu trainer.enable_progress_bar=false logger=none callbacks=none "
    "hydra.run.dir=run"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


def test_every_code_block_is_a_file() -> None:
    assert len(FILES) == len(re.findall(r"```(?:python|yaml)", TEXT)) == 22
    assert len(COMMANDS) == 4


@pytest.fixture
def typed(command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Type a command into a shell in that folder."""
    monkeypatch.setenv("LAB", str(PROJECT))

    def run(line: str) -> str:
        answer = command(*shlex.split(os.path.expandvars(line))[1:])
        assert answer.returncode == 0, answer.stderr
        assert "batch_size=batch_size" not in answer.stderr  # Lightning's warning that it guesses it
        return answer.stdout

    return run


def test_a_part_named_on_the_command_line(folder: Path, typed: Callable[[str], str]) -> None:
    typed(f"{COMMANDS[0]} {SHORT} data.train_size=500 data.validation_size=100")
    config = (folder / "run" / "config.yaml").read_text()
    assert "    _target_: mine.networks.LinearEncoder\n" in config
    assert "    bias: false\n" in config


def test_a_kernel_of_a_divergence(folder: Path, typed: Callable[[str], str]) -> None:
    typed(f"{COMMANDS[2]} {SHORT} data.train_size=200 data.validation_size=100")
    assert "_target_: mine.kernels.Matern" in (folder / "run" / "config.yaml").read_text()


def test_help_lists_options_of_a_user_s_own(typed: Callable[[str], str]) -> None:
    answer = typed(COMMANDS[1])
    for option in (Path(name) for name in FILES if name.startswith("conf")):
        group = option.parent.relative_to("conf")
        assert re.search(rf"^{group}: .*\b{option.stem}\b", answer, re.M)


def test_parts_of_every_kind_together(folder: Path, typed: Callable[[str], str]) -> None:
    answer = typed(f"{COMMANDS[3]} {SHORT} callbacks=[checkpoint,drawing]")
    config = (folder / "run" / "config.yaml").read_text()
    for target in re.findall(r"_target_: (mine\.\S+)", "".join(FILES.values())):
        assert f"_target_: {target}" in config or target == "mine.kernels.Matern"
    assert list((folder / "run" / "figures").glob("code_lengths*.png"))
    with (folder / "run" / "metrics.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert 0 < float(row["validation/class_separation"]) < 1
    (line,) = re.findall(r"infovae evaluate .*", answer)
    typed(f"{line.partition('#')[0]} metrics=[class_separation] pictures=[]")


def test_what_lies_in_the_working_folder_shadows_nothing_installed(folder: Path) -> None:
    (folder / "omegaconf.py").write_text("raise SystemExit('shadowed')")
    (folder / "yaml.py").write_text("raise SystemExit('shadowed')")
    answer = subprocess.run(
        [sys.executable, str(PROJECT / "train.py"), "--cfg", "job"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
