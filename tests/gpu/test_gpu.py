"""Training and evaluation on an NVIDIA GPU. Skipped without one; benchmarks/gpu.py runs them on a bare machine."""

import csv
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import SMALL, Compose

from infovae.config.options import options
from infovae.errors import UserError
from infovae.evaluation.load import load
from infovae.evaluation.measure import measure
from infovae.runs.checkpoints import read_checkpoint
from infovae.training.assemble import build_chosen
from infovae.training.run import train

DEVICE = "cuda"
pytestmark = [
    pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that CUDA reaches"),
]  # fmt: skip
RUN = [*SMALL, "trainer.accelerator=gpu", "callbacks=checkpoint", "trainer.max_epochs=2"]
HALF = "trainer.precision=bf16-mixed"


def weights(run: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = read_checkpoint(run / "checkpoints" / "last.ckpt", "")["state_dict"]
    return state


def column(run: Path, name: str) -> list[float]:
    with (run / "metrics.csv").open() as file:
        return [float(row[name]) for row in csv.DictReader(file)]


def assert_close(run: Path, other: Path, tolerance: float) -> None:
    """Hold the losses of two runs against each other: after 8 steps, rounding has moved them by less than this."""
    assert column(run, "train/loss") == pytest.approx(column(other, "train/loss"), rel=tolerance)
    assert column(run, "validation/loss") == pytest.approx(column(other, "validation/loss"), rel=tolerance)


def test_the_same_seed_gives_the_same_weights(composed: Compose, tmp_path: Path) -> None:
    for name in ("one", "other"):
        train(composed(*RUN, HALF, "trainer.deterministic=warn", run_dir=tmp_path / name))
    one, other = weights(tmp_path / "one"), weights(tmp_path / "other")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_compiled_step_and_bf16_train_as_a_plain_one(composed: Compose, tmp_path: Path) -> None:
    train(composed(*RUN, run_dir=tmp_path / "plain"))
    train(composed(*RUN, "compile=true", run_dir=tmp_path / "compiled"))
    train(composed(*RUN, HALF, "compile=true", run_dir=tmp_path / "half"))
    assert_close(tmp_path / "compiled", tmp_path / "plain", 1e-3)
    assert_close(tmp_path / "half", tmp_path / "plain", 1e-2)  # bf16 has three digits


def test_the_defaults_take_bf16_where_the_gpu_has_it(composed: Compose, tmp_path: Path) -> None:
    train(composed(*RUN, "trainer.precision=auto", "compile=auto", run_dir=tmp_path))
    chosen = load(tmp_path).cfg.trainer.precision
    assert chosen == ("bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true")


@pytest.mark.parametrize("divergence", [name for name in options("divergence") if name != "none"])
def test_every_divergence_trains(composed: Compose, tmp_path: Path, divergence: str) -> None:
    alone = "model.alpha=1" if divergence not in ("dip", "dip_i") else "model.alpha=0"
    train(composed(*RUN, f"divergence={divergence}", alone, HALF, "trainer.max_epochs=1", run_dir=tmp_path))
    assert all(map(math.isfinite, column(tmp_path, "train/divergence") + column(tmp_path, "train/loss")))


def test_streamed_examples_train_the_same_weights(composed: Compose, tmp_path: Path) -> None:
    for streaming in ("never", "always"):
        train(composed(*RUN, f"data.streaming={streaming}", "data.workers=2", run_dir=tmp_path / streaming))
    assert_close(tmp_path / "always", tmp_path / "never", 1e-4)


def test_a_resumed_run_ends_where_the_whole_one_does(composed: Compose, tmp_path: Path) -> None:
    train(composed(*RUN, run_dir=tmp_path / "whole"))
    train(composed(*RUN, "trainer.max_epochs=1", run_dir=tmp_path / "cut"))
    train(composed(*RUN, "resume=auto", run_dir=tmp_path / "cut"))
    assert_close(tmp_path / "cut", tmp_path / "whole", 1e-4)


def test_a_loss_that_is_nan_ends_the_run(composed: Compose, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"isn't finite|is nan|is inf"):
        train(composed(*RUN, "optimizer.lr=1e30", "trainer.max_epochs=5", run_dir=tmp_path))


def test_it_measures_what_the_cpu_measures(composed: Compose, tmp_path: Path) -> None:
    metrics: list[Any] = ["metrics=[log_det_covariance,mmd]"]
    train(composed(*RUN, *metrics, run_dir=tmp_path))
    saved = load(tmp_path)
    chosen, data = build_chosen(saved.cfg, "metrics"), saved.data
    found = [
        measure(saved.module.to(device).eval(), data, chosen, device=device).values["test/log_det_covariance"]
        for device in ("cpu", DEVICE)
    ]
    assert found[1] == pytest.approx(found[0], rel=1e-3, abs=1e-3)
