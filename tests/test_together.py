"""Evaluation encodes several batches at a time: that changes no number but by rounding."""

import csv
from pathlib import Path

import pytest
from conftest import TINY, Compose

from infovae.data import module
from infovae.training.assemble import build_data, build_trainer
from infovae.training.run import train

BATCHES = ["data.batch_size=30", "trainer.max_epochs=1", "data.evaluation_splits=[validation,test]"]
"""Sizes of a split's batches differ, and no number of codes is a multiple of 16, as torch's noise is drawn in."""


@pytest.mark.parametrize(
    "settings",
    [
        [
            "divergence=mmd_fourier",
            "metrics=[log_det_covariance,mmd]",
        ],  # draws between two batches
        ["model=vae", "bound=iwae", "+callbacks.ema._target_=infovae.training.callbacks.ema.EMA"],
        ["model=mmd_vae", "condition=labels", "posterior=iaf", "data.binarization=stochastic"],
    ],
)
def test_batches_together_measure_what_they_measure_apart(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: list[str]
) -> None:
    ends, rows = [], []
    for name, together in (("together", module.TOGETHER), ("apart", 0)):
        monkeypatch.setattr(module, "TOGETHER", together)
        ends.append(train(composed(*TINY, *BATCHES, *settings, run_dir=tmp_path / name)))
        with (tmp_path / name / "metrics.csv").open() as file:
            rows += [{key: float(value) for key, value in row.items() if "second" not in key}
                     for row in csv.DictReader(file)]  # fmt: skip
    assert ends[0] == pytest.approx(ends[1], rel=1e-5, nan_ok=True)
    assert rows[0] == pytest.approx(rows[1], rel=1e-5, nan_ok=True)


@pytest.mark.parametrize(("limit", "batches"), [("null", 1), ("1", 4), ("0.25", 4)])
def test_a_limit_counts_single_batches(composed: Compose, tmp_path: Path, limit: str, batches: int) -> None:
    cfg = composed(*TINY, *BATCHES, f"trainer.limit_val_batches={limit}", "callbacks=none", run_dir=tmp_path)
    data = build_data(cfg)
    data.trainer = build_trainer(cfg)
    assert len(data.val_dataloader()[0]) == batches
