"""Runs that start from another's weights, and parts that stay as they are."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from conftest import TINY, Compose, composing
from faults.test_kill import differences
from test_schedulers import checkpoint_of, interrupt_at
from torch import Tensor, nn

from infovae.errors import UserError
from infovae.evaluation.load import load
from infovae.runs.checkpoints import SAFETENSORS
from infovae.runs.zoo import zoo_folder
from infovae.training.assemble import build_data, build_module
from infovae.training.run import train

ONE = [*TINY, "trainer.max_epochs=1"]
STILL = [*ONE, "optimizer.lr=0"]
"""A run that ends with the weights that it starts with."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("transfer") / "run"
    with composing() as compose:
        train(compose(*ONE, "seed=7", run_dir=folder))
    return folder


def weights_of(run: Path, part: str = "") -> dict[str, Tensor]:
    state = checkpoint_of(run)["state_dict"]
    return {name: value for name, value in state.items() if name.startswith(part) and isinstance(value, Tensor)}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return bool(one) and all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_starts_with_all_weights_of_another_or_with_those_of_a_part(
    composed: Compose, trained: Path, tmp_path: Path
) -> None:
    train(composed(*STILL, f"init_from={trained}", "model=vae", run_dir=tmp_path / "all"))
    assert same(weights_of(tmp_path / "all"), weights_of(trained))
    last = trained / "checkpoints" / "last.ckpt"
    train(composed(*STILL, f"init_from={last}", "init_parts=[decoder]", run_dir=tmp_path / "part"))
    assert same(weights_of(tmp_path / "part", "decoder"), weights_of(trained, "decoder"))
    cfg = composed(*STILL, run_dir=tmp_path)
    torch.manual_seed(cfg.seed)
    new = build_module(cfg, build_data(cfg)).state_dict()
    assert not same(weights_of(tmp_path / "part", "encoder"), weights_of(trained, "encoder"))
    assert same(weights_of(tmp_path / "part", "encoder"), new)  # as without init_from
    record = json.loads((tmp_path / "part" / "init_from.json").read_text())
    expected = {"checkpoint": str(last), "sha256": hashlib.sha256(last.read_bytes()).hexdigest(), "epoch": 1}
    assert record | expected | {"parts": ["decoder"], "new": []} == record


def test_a_run_starts_with_a_model_of_the_zoo_or_with_one_that_was_pulled(composed: Compose, tmp_path: Path) -> None:
    pulled = tmp_path / "pulled"
    shutil.copytree(zoo_folder("zoo://vae", "run"), pulled)
    digits = [setting for setting in STILL if setting.startswith(("data.", "trainer.", "optimizer."))]
    widths = [f"network.{part}.hidden=[80]" for part in ("encoder", "decoder")]
    for number, source in enumerate(("zoo://vae", pulled, pulled / SAFETENSORS)):
        run = tmp_path / str(number)
        train(composed(*digits, *widths, f"init_from={source}", "latent_dim=4", run_dir=run))
        assert same(weights_of(run, "encoder.layers.0"), load(pulled).module.state_dict())
        record = json.loads((run / "init_from.json").read_text())
        assert record["new"] == ["encoder.layers.2.weight", "encoder.layers.2.bias", "decoder.layers.0.weight"]
    with pytest.raises(UserError, match=r"^init_from=zoo://unheard: no such model; accepted: zoo://vae"):
        train(composed(*digits, "init_from=zoo://unheard", run_dir=tmp_path / "none"))


def test_another_latent_size_leaves_the_layers_that_depend_on_it_new(
    composed: Compose, trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        train(composed(*STILL, f"init_from={trained}", "latent_dim=3", run_dir=tmp_path))
    new = ["encoder.layers.2.weight", "encoder.layers.2.bias", "decoder.layers.0.weight"]
    assert json.loads((tmp_path / "init_from.json").read_text())["new"] == new
    assert f"these start anew: {', '.join(new)}" in caplog.text
    own, other = weights_of(tmp_path), weights_of(trained)
    assert same({name: value for name, value in own.items() if name not in new}, other)


def test_parts_of_a_condition_and_of_a_subclass_are_taken_too(
    composed: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    labels = [*STILL, "condition=labels", "condition.embedding=2"]
    train(composed(*labels, "module=semi_supervised", "seed=7", run_dir=tmp_path / "whole"))
    train(composed(*labels, run_dir=tmp_path / "plain"))
    for name, source in (("again", "whole"), ("grown", "plain")):
        settings = [*labels, "module=semi_supervised", "+network.encoder.activation=tanh"]
        train(composed(*settings, f"init_from={tmp_path / source}", run_dir=tmp_path / name))
    assert same(weights_of(tmp_path / "again", "condition"), weights_of(tmp_path / "whole"))
    assert same(weights_of(tmp_path / "again", "classifier"), weights_of(tmp_path / "whole"))
    assert same(weights_of(tmp_path / "grown", "condition"), weights_of(tmp_path / "plain"))
    new = json.loads((tmp_path / "grown" / "init_from.json").read_text())["new"]
    assert new == list(weights_of(tmp_path / "grown", "classifier"))
    assert "which its weights don't show: network.encoder.activation=tanh (there " in caplog.text


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["network.decoder.hidden=[8]"], r"holds another model: decoder.layers.0.weight is of shape \(16, 2\) there"),
        (
            ["network.encoder.hidden=[8]", "latent_dim=3"],
            r"another model: encoder.layers.0.weight is of shape",
        ),
        (["prior=vamp", "prior.components=3"], r"another model: prior.logits is missing there and of shape"),
        (["init_from=nowhere"], r"^init_from=nowhere: no such folder or file"),
        (["init_parts=[critic]"], r"^init_parts=\['critic'\]: invalid; accepted: 'encoder', 'decoder'"),
        (["init_parts=[]"], r"^init_parts=\[\]: no part is chosen; accepted: null, or some of encoder, decoder"),
        (["init_from=null", "init_parts=[encoder]"], r"^init_parts=\[encoder\]: no run to take them from"),
        (["freeze=[encoder,decoder]"], r"^freeze=\[encoder,decoder\]: nothing learns; accepted: one of them"),
        (["freeze=[prior]"], r"^freeze=\['prior'\]: invalid; accepted: 'encoder' or 'decoder'"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    composed: Compose, trained: Path, tmp_path: Path, overrides: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message) as refusal:
        train(composed(*ONE, f"init_from={trained}", *overrides, run_dir=tmp_path))
    assert "\n" not in str(refusal.value)
    assert not any(tmp_path.iterdir())


def test_the_source_is_not_needed_again(
    composed: Compose, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [*TINY, "trainer.max_epochs=3", f"init_from={run}", "freeze=[encoder]", "resume=auto"]
    source = weights_of(run, "encoder")
    train(composed(*settings, run_dir=tmp_path / "whole"))
    with monkeypatch.context() as patch:
        interrupt_at(2, patch)
        with pytest.raises(SystemExit):
            train(composed(*settings, run_dir=tmp_path / "cut"))
    shutil.rmtree(run)
    train(composed(*settings, run_dir=tmp_path / "cut"))
    assert differences(checkpoint_of(tmp_path / "whole"), checkpoint_of(tmp_path / "cut")) == []
    assert same(source, weights_of(tmp_path / "cut"))
    assert same(weights_of(tmp_path / "cut"), load(tmp_path / "cut").module.state_dict())
    assert (tmp_path / "cut" / "init_from.json").is_file()


@pytest.mark.parametrize(("part", "other"), [("encoder", "decoder"), ("decoder", "encoder")])
def test_a_frozen_part_stays_as_it_is_and_the_other_learns(
    composed: Compose, trained: Path, tmp_path: Path, part: str, other: str
) -> None:
    settings = [f"init_from={trained}", f"freeze=[{part}]", "optimizer=adamw", "optimizer.weight_decay=0.5"]
    train(composed(*ONE, *settings, run_dir=tmp_path))
    assert same(weights_of(tmp_path, part), weights_of(trained, part))
    assert not same(weights_of(tmp_path, other), weights_of(trained, other))


def test_a_frozen_part_remembers_nothing_of_batches(composed: Compose, tmp_path: Path) -> None:
    cfg = composed(*ONE, "freeze=[encoder]", run_dir=tmp_path)
    module = build_module(cfg, build_data(cfg))
    module.encoder = nn.Sequential(module.encoder, nn.BatchNorm1d(4))
    module.freeze_parts(["encoder"])
    module.train()
    before = module.encoder[1].running_mean.clone()
    module.encoder(torch.rand(20, 1, 8, 8))
    assert torch.equal(module.encoder[1].running_mean, before)
    assert module.decoder.training
    module.freeze_parts([])
    module.train()
    module.encoder(torch.rand(20, 1, 8, 8))
    assert not torch.equal(module.encoder[1].running_mean, before)


def test_a_frozen_part_may_not_start_anew(composed: Compose, trained: Path, tmp_path: Path) -> None:
    told = r"^freeze=\[encoder\]: encoder\..* start anew with latent_dim=7, and would stay random; accepted: \[\], or"
    with pytest.raises(UserError, match=told):
        train(composed(*ONE, f"init_from={trained}", "latent_dim=7", "freeze=[encoder]", run_dir=tmp_path / "run"))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
