"""Runs that version 0.1 left, in tests/runs_of_0_1/: every command takes them."""

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import yaml
from conftest import CONF, PROJECT, composing
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict

from infovae.app.command import run_task
from infovae.dashboard.run import read_run
from infovae.evaluation.load import load
from infovae.module import InfoVAE
from infovae.training.run import train

KEPT = PROJECT / "tests" / "runs_of_0_1"
NAMES = sorted(path.name for path in KEPT.iterdir())


@pytest.fixture
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return shutil.copytree(KEPT / request.param, tmp_path / "runs" / request.param)


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Run a subcommand in this process."""
    monkeypatch.chdir(tmp_path)

    def do(name: str, *overrides: str) -> None:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            cfg = compose(name, overrides=list(overrides), return_hydra_config=True)
        HydraConfig.instance().set_config(cfg.copy())
        with open_dict(cfg):
            del cfg["hydra"]
        run_task(name, cfg)

    yield do
    HydraConfig.instance().cfg = None  # no command is running any more


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("run", NAMES, indirect=True)
def test_a_run_is_measured_encoded_and_goes_on(
    run: Path, typed: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = json.loads((run / "summary.json").read_text())["metrics"]
    typed("evaluate", f"run={run}", "metrics=[log_det_covariance]", "pictures=[samples]", "device=cpu")
    measured = json.loads((run / "evaluation.json").read_text())["metrics"]
    # The same codes in another order of sums.
    assert measured["test/log_det_covariance"] == pytest.approx(ended["test/log_det_covariance"], rel=1e-4)

    with monkeypatch.context() as without_data:
        without_data.setattr("infovae.evaluation.load.build_data", lambda cfg: pytest.fail("the data were read"))
        assert load(run).shape == (1, 8, 8)
    typed("encode", f"run={run}", "device=cpu", "split=test")
    rows = rows_of(tmp_path / "codes.csv")
    saved = load(run)
    means = saved.module.encode(saved.data.inputs("test")[torch.arange(3)]).mean
    for row, mean in zip(rows, means, strict=False):
        assert [float(row["mean_1"]), float(row["mean_2"])] == pytest.approx(mean.tolist(), rel=1e-5, abs=1e-6)

    before = rows_of(run / "metrics.csv")
    given = yaml.safe_load((run / ".hydra" / "overrides.yaml").read_text())
    given = [entry for entry in given if not entry.startswith("trainer.max_epochs")]
    with composing() as composed:
        train(composed(*given, "resume=auto", "trainer.max_epochs=3", run_dir=run))
    after = rows_of(run / "metrics.csv")
    assert [row["epoch"] for row in after] == ["1", "2", "3"]
    for earlier, now in zip(before, after, strict=False):  # which may have further columns
        assert earlier.items() <= now.items()


@pytest.mark.parametrize("run", ["conv"], indirect=True)
def test_a_run_is_exported_and_shown(run: Path, typed: Callable[..., None]) -> None:
    typed("export", f"run={run}")
    assert {path.name for path in (run / "export").iterdir()} >= {"encoder.pt2", "decoder.pt2", "encoder.onnx"}
    with pytest.raises(TypeError, match=r"infovae\.load\(RUN\)"):
        InfoVAE.load_from_checkpoint(run / "checkpoints" / "last.ckpt")
    shown = read_run(run, curve_points=300, stalled_after=60)
    assert (shown.status, shown.problems, len(shown.pictures)) == ("finished", [], 1)
    assert len(shown.curves["validation/loss"]) == 2
