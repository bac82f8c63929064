"""The configs composed by a project of one's own, and its options and figures, as docs/howto/other_projects.md says."""

import json
import re
from pathlib import Path

import pytest
from conftest import CONF, PROJECT, TINY, Command
from hydra import compose, initialize_config_dir

PAGE = (PROJECT / "docs" / "howto" / "other_projects.md").read_text()
FILES = dict(re.findall(r"`(\w[\w/]+\.(?:py|yaml))`[^`]*\n\n```(?:python|yaml)\n(.*?)```", PAGE, re.S))


@pytest.fixture
def other(tmp_path: Path) -> None:
    """The page's package."""
    for name in [name for name in FILES if name.startswith("other/")]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(FILES[name])
    for folder in (tmp_path / "other", tmp_path / "other" / "conf"):
        (folder / "__init__.py").touch()


def test_the_page_s_config_composes(tmp_path: Path) -> None:
    # In a clone the configs aren't in the package.
    (tmp_path / "main.yaml").write_text(FILES["conf/main.yaml"].replace("pkg://infovae.conf", f"file://{CONF}"))
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        cfg = compose("main", overrides=["prior=uniform"], return_hydra_config=True)
    assert (cfg.latent_dim, cfg.prior.latent_dim) == (3, 3)
    assert cfg.hydra.runtime.choices["divergence"] == "energy"


@pytest.mark.usefixtures("other")
def test_options_of_a_package_are_listed_and_chosen(command: Command) -> None:
    (line,) = re.findall(r"infovae train (hydra.searchpath=\S+) --help", PAGE)
    told = command("train", line, "--help")
    assert re.search(r"^model: .*\bstein_vae, strong, vae\b", told.stdout, re.M), told.stdout + told.stderr
    assert "lambda_: 10000\n" in command("train", line, "model=strong", "--cfg", "job", "-p", "model").stdout


@pytest.mark.usefixtures("other")
def test_a_figure_of_one_s_own_finds_its_cells(command: Command, tmp_path: Path) -> None:
    (line,) = re.findall(r"infovae reproduce (.*)", PAGE)
    answer = command("reproduce", *line.split(), f"cells={json.dumps([*TINY[1:], 'trainer.max_epochs=1'])}")
    assert answer.returncode == 0, answer.stderr
    rows = (tmp_path / "results" / "losses.csv").read_text().splitlines()
    assert [row.rpartition(",")[0] for row in rows] == ["objective", "ELBO", '"InfoVAE (α = 0, λ = 10000)"']
