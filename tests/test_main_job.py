"""The main job, whole: minutes, so behind the slow marker (make slow)."""

import json
from pathlib import Path

import pytest
from conftest import PROJECT, Command
from PIL import Image


@pytest.mark.slow
def test_the_main_job_learns_mnist(command: Command, tmp_path: Path) -> None:
    """An ELBO of -106.3 nats was measured; 10 epochs would leave it below -110."""
    answer = command(
        "train", "model=infovae", "divergence=mmd", f"data.root={PROJECT / 'data'}", "hydra.run.dir=run",
        timeout=900,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    metrics = summary["metrics"]
    assert metrics["test/elbo"] > -110
    # Within what Figure 2 calls close to 0.
    assert abs(metrics["test/log_det_covariance"]) < 1
    assert metrics["test/mmd"] < 0.01
    assert Image.open(tmp_path / "run" / "figures" / "samples.png").size == (604, 604)
