"""A model goes to a stand-in for the Hub and comes back the same."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from conftest import CONF, Use
from hub_server import Hub, hub_server
from huggingface_hub import constants
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from safetensors.torch import load as weights_of

from infovae.app.command import run_task
from infovae.errors import UserError
from infovae.evaluation.load import load
from infovae.runs.checkpoints import as_json, tensor_of


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_server() as server:
        # What HF_ENDPOINT and HF_HUB_CACHE set when the package is imported.
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace("https://huggingface.co", server.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
        yield server


def pull(*overrides: str) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        run_task("pull", compose("pull", overrides=list(overrides)))


def test_a_pushed_model_is_loaded_and_pulled_the_same(
    hub: Hub, use: Use, squares: Path, squares_run: Path, tmp_path: Path
) -> None:
    use("push", "repo=me/squares")
    assert hub.created == {"name": "squares", "organization": "me", "visibility": "private"}
    assert sorted(hub.files) == ["README.md", "config.yaml", "model.safetensors", "samples.png"]
    assert str(squares.parent).encode() not in hub.files["config.yaml"]  # no folder of this machine
    assert len(weights_of(hub.files["model.safetensors"])) > 4
    card = hub.files["README.md"].decode()
    for told in ("library_name: infovae", "![Samples", "| latent dimensions | 3 |", "| test/reconstruction | ",
                 'load("hf://me/squares")', "| trained on | `image_folder` |"):  # fmt: skip
        assert told in card
    own, there = load(squares_run).module, load("hf://me/squares").module
    z = torch.randn(5, 3)
    assert torch.equal(own.decode(z).mean, there.decode(z).mean)
    pull("repo=me/squares", "output=pulled")
    assert load(tmp_path / "pulled").shape == (3, 8, 8)
    use("encode", "run=pulled", f"images={squares}")
    use("encode", f"images={squares}", "output=own.csv")
    assert (tmp_path / "codes.csv").read_text() == (tmp_path / "own.csv").read_text()
    hub.files["model.safetensors"] = b"torn"
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(UserError, match=r"^repo=me/squares: holds no model that can be used .*damaged"):
        pull("repo=me/squares", "output=torn")
    assert not (tmp_path / "torn").exists()


def test_a_critic_s_model_comes_back_without_its_optimiser(squares_run: Path, tmp_path: Path) -> None:
    from infovae.runs.checkpoints import WholeCheckpoints
    from infovae.training.assemble import build_bare_module
    from infovae.use.push import write_model

    saved = load(squares_run)
    shutil.copytree(squares_run, tmp_path / "critic")
    saved.cfg.divergence = OmegaConf.load(CONF / "divergence" / "adversarial.yaml")
    OmegaConf.save(saved.cfg, tmp_path / "critic" / "config.yaml", resolve=True)
    module = build_bare_module(saved.cfg, saved.description)
    content = {"state_dict": module.state_dict(), "DataModule": saved.data.state_dict()}
    WholeCheckpoints(tmp_path).save_checkpoint(content, tmp_path / "critic" / "checkpoints" / "last.ckpt")
    (tmp_path / "there").mkdir()
    write_model(load(tmp_path / "critic"), "hf://me/critic", tmp_path / "there")
    there = load(tmp_path / "there").module
    for name, value in module.state_dict().items():
        assert not isinstance(value, torch.Tensor) or torch.equal(value, there.state_dict()[name]), name


def test_what_is_said_of_the_data_comes_back_as_it_was() -> None:
    values = {"kind": "x", "mean": torch.rand(3), "names": ["a", "b"], "odd": {"tensor": 1}}
    back = json.loads(json.dumps({"shape": [3], "values": values}, default=as_json), object_hook=tensor_of)
    assert torch.equal(back["values"].pop("mean"), values.pop("mean"))
    assert back == {"shape": [3], "values": values}


def test_what_is_not_there_is_one_line(hub: Hub, use: Use, tmp_path: Path) -> None:
    for call in (lambda: load("hf://me/squares"), lambda: pull("repo=me/squares")):
        with pytest.raises(UserError, match=r"^(run=hf://|repo=)me/squares: the Hub refuses \(.*404"):
            call()
    with pytest.raises(UserError, match=r"^repo=squares: names no repository; accepted: USER/NAME"):
        use("push", "repo=squares")
    assert [path.name for path in tmp_path.iterdir()] in ([], ["cache"])
