"""Columns that callbacks wait for are known before training."""

import csv
from pathlib import Path

import pytest
import pytorch_lightning as pl
from conftest import TINY, Compose

from infovae.errors import UserError
from infovae.metrics.objective_terms import TERM_NAMES
from infovae.training.assemble import build_chosen, build_data, build_module
from infovae.training.callbacks.aggregate_posterior import AggregatePosterior
from infovae.training.run import train

METRICS = "log_det_covariance,mmd,aggregate_information,covariance_spectrum,class_covariance,reconstruction"


def test_the_columns_of_metrics_are_those_that_a_run_writes(composed: Compose, tmp_path: Path) -> None:
    both = "data.evaluation_splits=[validation,test]"
    cfg = composed(*TINY, f"metrics=[{METRICS}]", "callbacks=none", both, "trainer.max_epochs=1", run_dir=tmp_path)
    data = build_data(cfg)
    module = build_module(cfg, data)
    metrics = AggregatePosterior(build_chosen(cfg, "metrics"))
    metrics.prepare(module, data, module.device)
    foreseen = {name for split in ("train", "validation", "test") for name in metrics.columns(module, data, split)}
    train(cfg)
    with (tmp_path / "metrics.csv").open() as file:
        written = set(next(csv.reader(file)))
    terms = {f"{split}/{name}" for split in ("train", "validation", "test") for name in TERM_NAMES}
    assert {name for name in written if "/" in name} == foreseen | terms | {"train/images_per_second"}


class Own(pl.Callback):
    """Logs a column of its own."""

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        pl_module.log("validation/own", 1.0)


def test_a_callback_of_one_s_own_may_log_what_another_watches(composed: Compose, tmp_path: Path) -> None:
    settings = [*TINY, "callbacks.checkpoint.monitor=validation/own", "trainer.max_epochs=1"]
    with pytest.raises(UserError, match=r"^callbacks.\*.monitor=validation/own: no such metric; accepted: validation/"):
        train(composed(*settings, run_dir=tmp_path / "refused"))
    train(composed(*settings, "+callbacks.own._target_=test_monitors.Own", run_dir=tmp_path / "run"))
    assert (tmp_path / "run" / "checkpoints" / "best.ckpt").is_file()
