"""Real runs on a few hundred real digits."""

import csv
import importlib.metadata
import itertools
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from conftest import CONF, PROJECT, SMALL, TINY, Command, Compose
from faults.signal_at import PATHS, override
from PIL import Image
from torch import Tensor

from infovae.config.build import build
from infovae.data.loader import Batch
from infovae.data.module import DataModule
from infovae.errors import UserError
from infovae.module import InfoVAE
from infovae.pictures.canvas import BETWEEN, GAP
from infovae.training.assemble import build_data, build_module
from infovae.training.callbacks.progress_bar import ProgressBar
from infovae.training.checks import tell_short_epochs
from infovae.training.run import train

DIVERGENCES = sorted(path.stem for path in (CONF / "divergence").glob("*.yaml"))
COUNTS = {"poisson", "negative_binomial", "library_negative_binomial", "zero_inflated_negative_binomial"}
OTHER_DATA = {"transformer", "mixed", "tokens", *COUNTS}
"""Parts that image sets refuse."""
LIKELIHOODS = sorted({path.stem for path in (CONF / "likelihood").glob("*.yaml")} - OTHER_DATA)
NETWORKS = sorted({path.stem for path in (CONF / "network").glob("*.yaml")} - OTHER_DATA)
EVERY_PICTURE = f"pictures=[{','.join(sorted(path.stem for path in (CONF / 'pictures').glob('*.yaml')))}]"
MODELS = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))
MEETING_ALL = {"infovae", "wae_mmd"}
"""Models, with a random and a deterministic posterior, that CI trains by every divergence; `make slow` the others."""
PAIRS = [(model, "its own") for model in MODELS] + [
    pytest.param(model, divergence, marks=[] if model in MEETING_ALL else pytest.mark.slow)
    for model, divergence in itertools.product(MODELS, DIVERGENCES)
]


def rows_of(run_dir: Path) -> list[dict[str, float]]:
    with (run_dir / "metrics.csv").open() as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]


def weights_of(checkpoint: Path) -> dict[str, Any]:
    weights: dict[str, Any] = torch.load(checkpoint, weights_only=True)["state_dict"]
    return weights


class Losses(pl.Callback):
    """What the module logs, epoch by epoch."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.losses.append(trainer.callback_metrics["train/loss"].item())

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch:
            self.losses.append(trainer.callback_metrics["train/loss"].item())


@pytest.mark.parametrize(("callbacks", "told"), [("none", "weights:    not kept"), ("checkpoint", "next:")])
def test_a_run_s_end_names_what_can_be_done_with_its_weights(
    callbacks: str, told: str, composed: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(composed(*TINY, "pictures=[]", f"callbacks={callbacks}", run_dir=tmp_path))
    said = {line for line in capsys.readouterr().out.splitlines() if line.startswith(("weights:", "next:"))}
    assert len(said) == 1
    assert said.pop().startswith(told)


@pytest.mark.parametrize(("model", "divergence"), PAIRS)
def test_the_loss_falls_for_every_model_and_divergence(composed: Compose, model: str, divergence: str) -> None:
    chosen = [] if divergence == "its own" else [f"divergence={divergence}"]
    cfg = composed(*SMALL, f"model={model}", *chosen, "latent_dim=4")
    if "critic_steps" in cfg.divergence and cfg.model.get("lambda_", 0) > 10:
        cfg.model.lambda_ = 10  # a critic's estimate rises from 0 as it learns: at 1000 times that any loss would
    pl.seed_everything(cfg.seed, verbose=False)
    data = build_data(cfg)
    try:
        module = build_module(cfg, data)
    except UserError as refusal:
        reason = str(refusal)
    else:
        reason = None
    if reason:
        # Told apart from a bug by what it says: these are the pairs that have no meaning.
        needs_density = divergence.startswith("kl") or divergence == "total_correlation"
        assert ("needs log q(z|x)" in reason) if needs_density else ("divergence=none" in reason)
        pytest.skip(reason)
    losses = Losses()
    trainer = pl.Trainer(
        max_epochs=8, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, limit_val_batches=0, callbacks=[losses],
    )  # fmt: skip
    trainer.fit(module, datamodule=data)
    assert all(map(torch.isfinite, map(torch.tensor, losses.losses)))
    assert losses.losses[-1] < losses.losses[0]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_the_loss_falls_for_every_network_and_likelihood(composed: Compose, network: str, likelihood: str) -> None:
    narrow = ["network.encoder.channels=[8,8]", "network.encoder.hidden=32"]
    sizes = {"mlp": [], "conv": narrow, "pixelcnn": [*narrow, "network.decoder.depth=2", "network.decoder.width=4"]}
    sizes["resnet"] = ["network.encoder.widths=[4]"]
    sizes["made"] = ["network.encoder.hidden=[32]", "network.decoder.hidden=[32]"]
    small = [entry for entry in SMALL if not entry.startswith("network")]
    levels = {"categorical": ["likelihood.levels=8"]}.get(likelihood, [])
    cfg = composed(*small, f"network={network}", f"likelihood={likelihood}", *levels, *sizes[network])
    module, losses = build_module(cfg, data := build_data(cfg)), Losses()
    pl.Trainer(
        max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, limit_val_batches=0, callbacks=[losses],
    ).fit(module, datamodule=data)  # fmt: skip
    assert losses.losses[-1] < losses.losses[0]


class Scaled(InfoVAE):
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return 2 * self.step(batch, len(batch.x))


class WarmedUp(InfoVAE):
    def optimizer_step(self, *arguments: Any, **keywords: Any) -> None:
        self.trainer.optimizers[0].param_groups[0]["lr"] = 0.0
        super().optimizer_step(*arguments, **keywords)


@pytest.mark.parametrize(("kind", "moves"), [(Scaled, True), (WarmedUp, False)])
def test_a_subclass_takes_steps_its_own_way(composed: Compose, kind: type[InfoVAE], moves: bool) -> None:
    cfg = composed(*SMALL)
    module = build_module(cfg, data := build_data(cfg))
    module.__class__ = kind
    before = torch.cat([weight.detach().flatten().clone() for weight in module.parameters()])
    trainer = pl.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, limit_val_batches=0,
    )  # fmt: skip
    trainer.fit(module, datamodule=data)
    after = torch.cat([weight.detach().flatten() for weight in module.parameters()])
    assert trainer.global_step > 0
    assert bool((before != after).any()) is moves


class Alone(InfoVAE):
    """Squares alone: none of the terms of InfoVAE's own step."""

    def step(self, batch: Batch, dataset_size: int) -> Tensor:
        return sum(weight.square().sum() for weight in self.parameters()) + self.offset  # type: ignore[return-value]

    offset = 0.0


class Shifted(InfoVAE):
    offset = 1000.0

    def step(self, batch: Batch, dataset_size: int) -> Tensor:
        return super().step(batch, dataset_size) + self.offset


@pytest.mark.parametrize(("kind", "knows"), [(Alone, False), (Shifted, True)])
def test_the_loss_of_a_subclass_is_logged_and_checked(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Any], knows: bool
) -> None:
    settings = [*SMALL, "trainer.max_epochs=1", "callbacks=none", "model=vae", "metrics=[]", "optimizer.lr=0"]
    settings += [f"+module._target_={__name__}.{kind.__name__}"]
    train(composed(*settings, run_dir=tmp_path / "finite"))
    (row,) = rows_of(tmp_path / "finite")
    if knows:
        assert row["train/loss"] == pytest.approx(row["train/reconstruction"] + row["train/rate"] + 1000, rel=1e-5)
    else:
        assert row["train/loss"] > 0
        assert math.isnan(row["train/reconstruction"])
    monkeypatch.setattr(kind, "offset", math.inf)
    with pytest.raises(UserError, match=r"^step 1 \(epoch 1, batch 1\): loss is inf; "):
        train(composed(*settings, run_dir=tmp_path / "infinite"))


def test_alpha_0_lambda_1_trains_to_the_weights_of_the_vae(composed: Compose, tmp_path: Path) -> None:
    runs = {
        "vae": ["model=vae"],
        "mmd": ["model=infovae", "model.lambda_=1"],
        "kl": ["model=infovae", "model.lambda_=1", "divergence=kl"],
    }
    for name, overrides in runs.items():
        train(composed(*SMALL, "trainer.max_epochs=2", "callbacks=checkpoint", *overrides, run_dir=tmp_path / name))
    vae, *others = (weights_of(tmp_path / name / "checkpoints" / "last.ckpt") for name in runs)
    for other in others:
        for name in vae:
            assert torch.equal(vae[name], other[name])


def test_a_run_folder_is_complete(composed: Compose, tmp_path: Path) -> None:
    metrics = train(composed(*SMALL, "trainer.max_epochs=2", "latent_dim=2", run_dir=tmp_path))
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert summary["metrics"] == pytest.approx(metrics)
    assert summary["images_per_second"] > 0
    assert summary["wall_seconds"] > 0
    assert summary["versions"]["torch"] == importlib.metadata.version("torch")
    assert len(summary["git"]["revision"]) == 40
    assert "latent_dim: 2" in (tmp_path / "config.yaml").read_text()
    assert "${" not in (tmp_path / "config.yaml").read_text()

    rows = rows_of(tmp_path)
    assert [row["epoch"] for row in rows] == [1, 2]
    terms = ("loss", "reconstruction", "rate", "divergence", "elbo", "log_det_covariance", "mmd", "mmd_standard_error")
    for split in ("train", "validation"):
        assert all(f"{split}/{term}" in rows[0] for term in terms)
    assert not any(name.startswith("test/") for name in rows[0])  # only after training
    for row in rows:
        for split in ("train", "validation"):
            term = {name.split("/")[1]: value for name, value in row.items() if name.startswith(split)}
            loss = term["reconstruction"] + term["rate"] + 99 * term["divergence"]
            assert term["loss"] == pytest.approx(loss, rel=1e-4)
            assert term["elbo"] == pytest.approx(-term["reconstruction"] - term["rate"], rel=1e-5)
    assert rows[-1]["validation/loss"] == metrics["validation/loss"] != metrics["test/loss"]

    assert {"best.ckpt", "last.ckpt", "previous.ckpt"} == {path.name for path in (tmp_path / "checkpoints").iterdir()}
    for name in ("samples", "reconstructions", "latent_scatter", "latent_manifold"):
        for suffix in ("", "-0002"):
            picture = Image.open(tmp_path / "figures" / f"{name}{suffix}.png")
            assert picture.mode == "RGB"
            minimum, maximum = picture.convert("L").getextrema()
            assert minimum < 60
            assert maximum > 200


def test_an_autoregressive_run_draws_all_pictures(composed: Compose, tmp_path: Path) -> None:
    small = [entry for entry in SMALL if not entry.startswith("network")]
    network = [
        "network=pixelcnn", "network.encoder.channels=[8,8]", "network.encoder.hidden=32", "network.decoder.depth=2",
        "network.decoder.width=4", "data.binarization=threshold", "latent_dim=2",
    ]  # fmt: skip
    pictures = [
        "pictures=[samples,reconstructions,latent_scatter,latent_manifold,samples_given_code]",
        "pictures.latent_manifold.rows=3", "pictures.samples.rows=3", "pictures.reconstructions.rows=2",
        "pictures.samples_given_code.rows=3", "pictures.samples_given_code.samples=4",
    ]  # fmt: skip
    test = ["trainer.max_epochs=1", "trainer.limit_val_batches=2", "trainer.limit_test_batches=2"]
    metrics = train(composed(*small, *network, *pictures, *test, run_dir=tmp_path))
    assert 0 < metrics["test/reconstruction"] < 784  # nats; a coin for each pixel takes 543
    for name in ("samples", "reconstructions", "latent_scatter", "latent_manifold", "samples_given_code"):
        assert (tmp_path / "figures" / f"{name}.png").exists()
    rows, size = 3, 28
    picture = Image.open(tmp_path / "figures" / "samples_given_code.png")
    grid = np.asarray(picture)[-rows * (2 * size + GAP) :, :, 0]  # enlarged twice, below the labels
    assert grid.shape[1] >= (1 + 4) * (2 * size + GAP)
    assert np.isin(grid, [0, 255, round(255 * BETWEEN)]).all()  # draws of a coin a pixel, not their means


def test_the_last_checkpoint_is_that_of_the_last_epoch_whatever_was_best(composed: Compose, tmp_path: Path) -> None:
    """The validation loss falls: by mode=max the first epoch is the best."""
    overrides = ["trainer.max_epochs=3", "callbacks=checkpoint", "callbacks.checkpoint.mode=max"]
    train(composed(*SMALL, *overrides, run_dir=tmp_path))
    losses = [row["validation/loss"] for row in rows_of(tmp_path)]
    assert losses[0] > losses[1] > losses[2]
    last, best = (torch.load(tmp_path / "checkpoints" / f"{name}.ckpt", weights_only=True) for name in ("last", "best"))
    assert (last["global_step"], best["global_step"]) == (3 * 4, 1 * 4)


def test_runs_repeat_with_the_seed_and_differ_without(composed: Compose, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(composed(*SMALL, "trainer.max_epochs=1", "callbacks=checkpoint", f"seed={seed}", run_dir=tmp_path / name))
    a, b, c = (weights_of(tmp_path / name / "checkpoints" / "last.ckpt") for name in "abc")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not all(torch.equal(a[name], c[name]) for name in a)


def test_looking_on_does_not_move_training(composed: Compose, tmp_path: Path) -> None:
    """Pictures, metrics and evaluation draw from a stream of their own."""
    quiet = ["metrics=[]", "callbacks=checkpoint", "trainer.limit_val_batches=0", "callbacks.checkpoint.monitor=null"]
    for name, overrides in (
        ("looked", ["latent_dim=2", "callbacks.drawing.every_n_epochs=1", EVERY_PICTURE]),
        ("quiet", quiet),
    ):
        train(composed(*SMALL, "trainer.max_epochs=2", "latent_dim=2", *overrides, run_dir=tmp_path / name))
    looked, quiet_ = (weights_of(tmp_path / name / "checkpoints" / "last.ckpt") for name in ("looked", "quiet"))
    assert all(torch.equal(looked[name], quiet_[name]) for name in looked)


@pytest.mark.parametrize("overrides", [[], ["model=vae", "data.binarization=stochastic"]])
def test_a_resumed_run_ends_as_one_that_never_stopped(composed: Compose, tmp_path: Path, overrides: list[str]) -> None:
    overrides = [*SMALL, *overrides, "pictures=[samples]", "trainer.limit_test_batches=2"]
    train(composed(*overrides, "trainer.max_epochs=4", run_dir=tmp_path / "whole"))
    train(composed(*overrides, "trainer.max_epochs=2", run_dir=tmp_path / "half"))
    last = tmp_path / "half" / "checkpoints" / "last.ckpt"
    train(composed(*overrides, "trainer.max_epochs=4", f"ckpt_path={last}", run_dir=tmp_path / "resumed"))

    whole, resumed = (
        torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True) for name in ("whole", "resumed")
    )
    assert whole["global_step"] == resumed["global_step"]
    for name in whole["state_dict"]:
        assert torch.equal(whole["state_dict"][name], resumed["state_dict"][name])
    for state, other in zip(whole["optimizer_states"], resumed["optimizer_states"], strict=True):
        for parameter in state["state"]:
            for entry in state["state"][parameter]:
                assert torch.equal(state["state"][parameter][entry], other["state"][parameter][entry])
    timing = {"seconds", "train/images_per_second"}
    for row, other_row in zip(rows_of(tmp_path / "whole"), rows_of(tmp_path / "resumed"), strict=True):
        assert {n: v for n, v in row.items() if n not in timing} == {
            n: v for n, v in other_row.items() if n not in timing
        }


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"no checkpoint", "not a checkpoint"), (b"", "not a checkpoint"), ("other", r"latent_dim=10 \(there 3\)")],
)
def test_a_wrong_checkpoint_is_refused(composed: Compose, tmp_path: Path, content: bytes | str, message: str) -> None:
    path = tmp_path / "x.ckpt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        train(composed(*SMALL, "latent_dim=3", "trainer.max_epochs=1", "callbacks=checkpoint", run_dir=tmp_path / "o"))
        path = tmp_path / "o" / "checkpoints" / "last.ckpt"
    with pytest.raises(Exception, match=message) as refusal:
        train(composed(*SMALL, f"ckpt_path={path}", run_dir=tmp_path / "new"))
    assert "\n" not in str(refusal.value)


def test_several_loggers_at_once(composed: Compose, tmp_path: Path) -> None:
    overrides = [entry for entry in SMALL if entry != "logger=none"]
    train(composed(*overrides, "logger=[csv,tensorboard,wandb_offline]", "trainer.max_epochs=1", run_dir=tmp_path))
    assert "test/loss" in (tmp_path / "csv" / "version_0" / "metrics.csv").read_text()
    assert list((tmp_path / "tensorboard").glob("events.*"))
    (wandb_run,) = (tmp_path / "wandb").glob("offline-run-*")
    pictures = {path.name.rsplit("_", 2)[0] for path in (wandb_run / "files" / "media" / "images").iterdir()}
    assert pictures == {"samples", "reconstructions"}


def test_multirun_gives_each_job_its_own_folder_and_wandb_run(command: Command, tmp_path: Path) -> None:
    small = [entry for entry in SMALL if not entry.startswith(("data.train_size", "logger"))]
    answer = command(
        "train", "-m", *small, "model=vae,infovae", "data.train_size=200,300", "trainer.max_epochs=1",
        "logger=wandb_offline", "hydra.sweep.dir=sweep",
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    folders = sorted(path for path in (tmp_path / "sweep").iterdir() if path.is_dir())
    assert [path.name for path in folders] == ["0", "1", "2", "3"]
    names = set()
    for folder in folders:
        summary = json.loads((folder / "summary.json").read_text())
        assert summary["status"] == "finished"
        names.add(summary["name"])
        assert len(list((folder / "wandb").glob("offline-run-*"))) == 1
        assert "group: sweep" in (folder / "config.yaml").read_text()
    assert len(names) == 4
    assert any("model=infovae" in name and "data.train_size=300" in name for name in names)


def test_ctrl_c_ends_cleanly_and_keeps_what_was_logged(tmp_path: Path) -> None:
    arguments = [*SMALL, "trainer.max_epochs=4", "hydra.run.dir=run", "callbacks=checkpoint"]
    answer = subprocess.run(
        [sys.executable, str(PROJECT / "train.py"), *arguments, override(9, "SIGINT", tmp_path / "sent")],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": PATHS},
        capture_output=True,
        text=True,
        # As from a terminal: a test run in the background of a script would hand on an ignored Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
        timeout=120,
        check=False,
    )
    assert answer.returncode == 130
    assert "Traceback" not in answer.stderr
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["status"] == "interrupted"
    assert len(rows_of(tmp_path / "run")) == 2
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").exists()


def test_a_failed_run_says_so_in_its_folder(composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise UserError("x=1: no")

    monkeypatch.setattr(InfoVAE, "training_step", fail)
    with pytest.raises(UserError, match=r"^x=1: no$"):
        train(composed(*SMALL, run_dir=tmp_path))
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["status"], summary["error"]) == ("failed", "UserError: x=1: no")


def test_a_refused_run_writes_nothing(composed: Compose, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data.validation_size=0: BestCheckpoint watches validation/loss"):
        train(composed(*SMALL, "data.validation_size=0", run_dir=tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("overrides", [["data.batch_size=1"], ["data.train_size=1"]])
def test_batches_too_small_for_the_divergence_are_refused_only_where_it_counts(
    composed: Compose, tmp_path: Path, overrides: list[str]
) -> None:
    with pytest.raises(UserError, match=r"batches of 1 are too small for divergence MMD; accepted: .* at least 2"):
        train(composed(*SMALL, *overrides, run_dir=tmp_path))
    short = ["trainer.limit_train_batches=3", "trainer.limit_val_batches=3", "trainer.limit_test_batches=3"]
    metrics = train(composed(*SMALL, *overrides, *short, "model=vae", "trainer.max_epochs=1", run_dir=tmp_path / "vae"))
    assert metrics["test/loss"] > 0


class Stop(pl.Callback):
    """Ends a run in its second epoch, as Lightning's timer does: after the other callbacks have seen the step."""

    def on_train_batch_end(self, trainer: pl.Trainer, *arguments: Any) -> None:
        trainer.should_stop = trainer.global_step == 3


@pytest.mark.parametrize("end", ["trainer.max_steps=3", "+callbacks.stop._target_=test_training.Stop"])
def test_an_epoch_that_the_run_s_end_cuts_is_timed_too(composed: Compose, tmp_path: Path, end: str) -> None:
    train(composed(*TINY, "callbacks=training_time", "pictures=[]", end, run_dir=tmp_path))
    rows = rows_of(tmp_path)
    assert [row["step"] for row in rows] == [2, 3]
    assert all(row["train/seconds"] > 0 and row["train/images_per_second"] > 0 for row in rows)


def test_trainer_keys_work_as_lightning_users_expect(composed: Compose, tmp_path: Path) -> None:
    cfg = composed(*SMALL, "trainer.max_steps=3", "trainer.gradient_clip_val=1.0", run_dir=tmp_path)
    train(cfg)
    assert rows_of(tmp_path)[-1]["step"] == 3
    trainer = build(composed(*SMALL, "trainer.fast_dev_run=true").trainer, "trainer", logger=False)
    assert trainer.fast_dev_run == 1


@pytest.mark.parametrize(("max_epochs", "described"), [(5, "Epoch 3/5"), (-1, "Epoch 3"), (None, "Epoch 3")])
def test_the_progress_bar_counts_epochs_from_1(max_epochs: int | None, described: str) -> None:
    bar = ProgressBar()
    bar._trainer = pl.Trainer(max_steps=9, logger=False, enable_checkpointing=False, callbacks=[bar])
    bar.trainer.fit_loop.max_epochs = max_epochs
    assert bar._get_train_description(2).rstrip() == described


@pytest.mark.parametrize(("steps", "size", "told"), [(None, 99, True), (None, 100, False), (5, 99, False)])
def test_an_epoch_of_one_step_is_told(
    steps: int | None, size: int, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    data = Mock(DataModule, steps_per_epoch=steps, batch_size=50, splits={"train": Mock(x=range(size))})
    tell_short_epochs(data)
    assert ("99 training images, and data.batch_size=50" in caplog.text) == told
