"""Averaged weights: what is averaged, measured, kept, evaluated and exported, and runs that are cut."""

import csv
import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
import pytorch_lightning as pl
import torch
from conftest import TINY, Command, Compose, composing
from faults.test_kill import differences
from omegaconf import OmegaConf
from test_schedulers import checkpoint_of, interrupt_at

from infovae.errors import UserError
from infovae.evaluation.load import load
from infovae.metrics.objective_terms import TERM_NAMES
from infovae.runs.changes import ChangedError
from infovae.training.assemble import build_data, build_trainer
from infovae.training.run import train

AVERAGED = [*TINY, "callbacks=[checkpoint,ema]", "callbacks.ema.decay=0.8", "optimizer.lr=0.01"]


class Steps(pl.Callback):
    """Keeps the weights after each step."""

    seen: ClassVar[list[dict[str, torch.Tensor]]] = []

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        self.seen.append({name: weight.detach().clone() for name, weight in pl_module.named_parameters()})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ema") / "run"
    Steps.seen.clear()
    steps = f"+callbacks.steps._target_={__name__}.Steps"
    with composing() as compose:
        train(compose(*AVERAGED, steps, "trainer.max_epochs=3", run_dir=folder))
    return folder


def rows_of(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_checkpoint_holds_the_average_of_the_steps_and_the_last_one(trained: Path) -> None:
    average = Steps.seen[0]
    for step in Steps.seen[1:]:
        average = {name: 0.8 * average[name] + 0.2 * step[name] for name in step}
    content = checkpoint_of(trained)
    for name, expected in average.items():
        torch.testing.assert_close(content["state_dict"][name], expected, rtol=0, atol=1e-6)
        assert torch.equal(content["current_model_state"][name], Steps.seen[-1][name])
    assert len(Steps.seen) == 6


def test_every_number_of_an_epoch_is_of_the_averages(composed: Compose, trained: Path, tmp_path: Path) -> None:
    """The saved averages, validated and measured once more, give the last row; the raw weights don't."""
    last = rows_of(trained)[-1]
    for weights, same in (("ema", True), ("raw", False)):
        cfg = composed(*TINY, "callbacks=none", run_dir=tmp_path)
        trainer, data = build_trainer(cfg), build_data(cfg)
        module = load(trained, weights=weights).module  # type: ignore[arg-type]
        trainer.validate(module, datamodule=data, verbose=False)
        for name, value in trainer.callback_metrics.items():
            assert (float(value) == pytest.approx(float(last[name]), rel=1e-6)) is same, name
        data.val_dataloader = lambda data=data: [data.measured_train_loader()]  # type: ignore[method-assign]
        trainer.validate(module, datamodule=data, verbose=False)
        measured = {name: value for name, value in trainer.callback_metrics.items() if name.startswith("validation/")}
        assert "validation/loss" in measured
        for name, value in measured.items():
            expected = float(last[name.replace("validation", "train")])
            assert (float(value) == pytest.approx(expected, rel=1e-6)) is same, name


@pytest.mark.parametrize(
    "own", [["+module._target_=test_training.Shifted"], ["module=semi_supervised", "condition=labels"]]
)
def test_a_loss_of_a_module_s_own_stays_that_of_its_steps(composed: Compose, tmp_path: Path, own: list[str]) -> None:
    rows = []
    for name, settings in (("plain", [*TINY, "optimizer.lr=0.01"]), ("ema", AVERAGED)):
        train(composed(*settings, *own, "model=vae", "trainer.max_epochs=1", run_dir=tmp_path / name))
        rows += rows_of(tmp_path / name)
    plain, averaged = rows
    for term in TERM_NAMES:
        assert (plain[f"train/{term}"] == averaged[f"train/{term}"]) is (term != "divergence"), term
    assert plain["train/log_det_covariance"] != averaged["train/log_det_covariance"]


def test_both_sets_are_loaded(trained: Path) -> None:
    content = checkpoint_of(trained)
    for weights, key in ((None, "state_dict"), ("ema", "state_dict"), ("raw", "current_model_state")):
        state = load(trained, weights=weights).module.state_dict()  # type: ignore[arg-type]
        assert all(torch.equal(state[name], content[key][name]) for name in Steps.seen[0])


@pytest.mark.parametrize(
    "model",
    [
        ["model=aae", "divergence=adversarial_spectral_norm"],
        ["model=mmd_vae", "posterior=normalized_gaussian", "metrics=[]"],
        ["schedule@model.alpha=hold_rate", "model.alpha.integral=0.1"],
        ["model=vae", "prior=vamp", "prior.components=5", "trainer.check_val_every_n_epoch=2", "scheduler=cosine"],
    ],
)
def test_a_run_that_was_cut_ends_as_if_it_never_was(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: list[str]
) -> None:
    settings = [*AVERAGED, *model, "trainer.max_epochs=4", "resume=auto"]
    train(composed(*settings, run_dir=tmp_path / "whole"))
    with monkeypatch.context() as patch:
        interrupt_at(2, patch)
        with pytest.raises(SystemExit):
            train(composed(*settings, run_dir=tmp_path / "cut"))
    train(composed(*settings, run_dir=tmp_path / "cut"))
    whole, cut = (checkpoint_of(tmp_path / name) for name in ("whole", "cut"))
    assert differences(whole, cut) == []
    if "model=aae" in model:  # the averaged model's critic has learned, too
        assert load(tmp_path / "cut").module.divergence.has_learned
        assert rows_of(tmp_path / "cut")[-1]["train/divergence"] != "nan"


def test_averages_and_raw_weights_have_moments_of_their_own(composed: Compose, tmp_path: Path) -> None:
    settings = ["model=mmd_vae", "posterior=normalized_gaussian", "trainer.max_epochs=2"]
    train(composed(*AVERAGED, *settings, run_dir=tmp_path))
    centres = []
    for weights in ("ema", "raw"):
        saved = load(tmp_path, weights=weights)  # type: ignore[arg-type]
        before = {name: value.clone() for name, value in saved.module.posterior.state_dict().items()}
        with torch.no_grad():
            saved.module.calibrate(saved.data.evaluation_loader("train"))
        for name, value in saved.module.posterior.state_dict().items():
            torch.testing.assert_close(before[name], value, rtol=1e-5, atol=1e-6)
        centres.append(before["centre"])
    assert not torch.allclose(*centres, atol=1e-3)


def test_a_run_goes_on_from_the_raw_weights_without_averages(composed: Compose, run: Path) -> None:
    """A rate of 0 leaves the weights as they were."""
    still = ["optimizer.lr=0", "trainer.max_epochs=4", "resume=auto"]
    train(composed(*TINY, *still, "+callbacks.steps=null", run_dir=run))
    state = checkpoint_of(run)["state_dict"]
    assert all(torch.equal(state[name], weight) for name, weight in Steps.seen[-1].items())


def test_a_finished_run_keeps_its_averages_or_its_lack_of_them(composed: Compose, run: Path, tmp_path: Path) -> None:
    """No epoch is left in which another choice could take effect."""
    before = (run / "summary.json").read_bytes()
    with pytest.raises(ChangedError, match=r"^callbacks: no epoch is left .* other weights than those of its last"):
        train(composed(*TINY, "optimizer.lr=0.01", "trainer.max_epochs=3", "resume=auto", run_dir=run))
    assert (run / "summary.json").read_bytes() == before
    plain = [*TINY, "trainer.max_epochs=1", "callbacks=checkpoint", "resume=auto"]
    train(composed(*plain, run_dir=tmp_path / "plain"))
    with pytest.raises(ChangedError, match=r"^callbacks: no epoch is left to train, and EMA would change nothing"):
        train(composed(*plain, "callbacks=[checkpoint,ema]", run_dir=tmp_path / "plain"))


def test_what_is_made_of_raw_weights_has_a_place_of_its_own(command: Command, run: Path) -> None:
    config = OmegaConf.load(run / "config.yaml")
    del config.callbacks.steps
    OmegaConf.save(config, run / "config.yaml")
    answer = command("evaluate", f"run={run}", "weights=raw", "metrics=[log_det_covariance]", "pictures=[]")
    assert answer.returncode == 0, answer.stderr
    assert f"{run}, weights=raw\n" in answer.stdout
    assert load(run).weights == "ema"
    (path,) = run.rglob("evaluation.json")
    assert path.parent.parent == run  # the run's own place is for its averages
    record = json.loads(path.read_text())
    assert record["weights"] == "raw"
    assert record["metrics"]["train/log_det_covariance"] != pytest.approx(
        float(rows_of(run)[-1]["train/log_det_covariance"])
    )
    best = ["weights=raw", "metrics=[log_det_covariance]", "pictures=[]"]
    answer = command("evaluate", f"ckpt={run / 'checkpoints' / 'best.ckpt'}", *best)
    assert answer.returncode == 0, answer.stderr
    assert json.loads(path.read_text()) == record
    assert len(list(run.rglob("evaluation.json"))) == 2
    answer = command("fit_prior", f"run={run}", "weights=raw", "fitted_prior.components=[1]", "device=cpu")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1] == f"run folder: {run}/fitted_prior/mixture-raw"
    for weights, place in (("ema", "export"), ("raw", "export-raw")):
        assert load(run, weights=weights).place("export") == run / place  # type: ignore[arg-type]


def test_raw_weights_of_a_run_without_averages_are_refused(composed: Compose, tmp_path: Path) -> None:
    train(composed(*TINY, "trainer.max_epochs=1", run_dir=tmp_path))
    with pytest.raises(UserError, match=r"^weights=raw: .* holds one set of weights; .*callbacks=\[default,ema\]$"):
        load(tmp_path, weights="raw")


@pytest.mark.parametrize("decay", ["1", "-0.1", "nan"])
def test_a_decay_that_is_none_is_refused(composed: Compose, tmp_path: Path, decay: str) -> None:
    with pytest.raises(UserError, match=r"^callbacks.ema.decay=.*accepted: (numbers from 0 to below 1|a finite)"):
        train(composed(*AVERAGED, f"callbacks.ema.decay={decay}", run_dir=tmp_path))


@pytest.mark.slow
def test_compiled_steps_are_averaged(composed: Compose, tmp_path: Path) -> None:
    for compiled in ("false", "true"):
        train(composed(*AVERAGED, f"compile={compiled}", "trainer.max_epochs=2", run_dir=tmp_path / compiled))
    one, other = (checkpoint_of(tmp_path / name) for name in ("false", "true"))
    for key in ("state_dict", "current_model_state"):
        for name in one[key]:
            torch.testing.assert_close(one[key][name], other[key][name], rtol=1e-3, atol=1e-3)
