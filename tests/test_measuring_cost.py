"""What metrics cost while training is told before and after the first epoch."""

import logging
from pathlib import Path

import pytest
from conftest import SMALL, Compose

from infovae.training.callbacks import aggregate_posterior
from infovae.training.run import train


def test_the_cost_is_told_once(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(aggregate_posterior, "LOGGED_FROM", 0.0)
    with caplog.at_level(logging.INFO, logger=aggregate_posterior.__name__):
        overrides = ["data.train_size=200", "callbacks=none", "pictures=[]", "trainer.max_epochs=2", "metrics=[mmd]"]
        train(composed(*SMALL, *overrides, run_dir=tmp_path))
    before, after = [line for name, _, line in caplog.record_tuples if name == aggregate_posterior.__name__]
    assert before == "measured at the end of each epoch: mmd"
    assert "s of the first epoch, mmd alone" in after
