"""The models that come with the package."""

import re
from pathlib import Path

import pytest
import torch
from conftest import CONF, PROJECT
from hydra import compose, initialize_config_dir

from infovae.app.command import run_task
from infovae.evaluation.load import load
from infovae.runs.zoo import FOLDER, NAMES


def test_each_model_reproduces_a_number_of_its_card() -> None:
    x = load("zoo://vae", changes={"data": {"root": str(PROJECT / "data")}}).data.inputs("test")[torch.arange(100)]
    for name in NAMES:
        module = load(f"zoo://{name}").module
        p = module.decode(module.encode(x).mean).mean.double()
        cost = -(x * p.log() + (1 - x) * (1 - p).log()).sum() / len(x)
        (told,) = re.findall(r"cost ([\d.]+) nats each", (FOLDER / name / "README.md").read_text())
        # The card has two decimals; p in float32 is off by 6e-8, and 784 pixels of log(p) by some 1e-3.
        assert float(cost) == pytest.approx(float(told), abs=0.01), name


def test_the_models_are_small_and_lie_in_their_folders() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(NAMES)
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 2.4e6


def test_a_model_becomes_a_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        run_task("pull", compose("pull", overrides=["repo=zoo://aae"]))
    there, own = load("aae"), load("zoo://aae")
    z = torch.randn(3, own.cfg.latent_dim)
    assert torch.equal(there.module.decode(z).mean, own.module.decode(z).mean)
