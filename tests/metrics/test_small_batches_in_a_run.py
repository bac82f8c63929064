"""A batch that is too small for the divergence must not end a run."""

import csv
import math
from pathlib import Path

import pytest
from conftest import SMALL, Compose

from infovae.training.run import train


@pytest.mark.parametrize("validation_size", [1, 101])
@pytest.mark.parametrize("model", ["infovae", "vae"])
def test_a_run_goes_on_although_a_batch_is_too_small_for_its_divergence(
    composed: Compose, tmp_path: Path, model: str, validation_size: int
) -> None:
    """Batches of 100, an unbiased MMD: the last one, or the only one, has one example and no MMD."""
    overrides = [
        f"model={model}", "divergence=mmd", "divergence.estimator=u", "callbacks=[early_stopping]",
        "callbacks.early_stopping.patience=1", "trainer.max_epochs=3", "metrics=[mmd]", "pictures=[]",
        f"data.validation_size={validation_size}", "data.train_size=201",
    ]  # fmt: skip
    train(composed(*SMALL, *overrides, run_dir=tmp_path))
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    for row in rows:
        assert math.isfinite(float(row["validation/loss"]))
        assert math.isfinite(float(row["train/divergence"]))
        assert math.isnan(float(row["validation/divergence"])) == (validation_size == 1)
