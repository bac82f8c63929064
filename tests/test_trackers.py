"""Experiment trackers: what they get, what happens where one is missing, slow or broken, and real local stores."""

import json
import sqlite3
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TINY, Compose

from infovae.errors import UserError
from infovae.training.loggers import tracker
from infovae.training.loggers.tracker import IDENTITIES, Tracker, started
from infovae.training.run import train

OPTIONS = {"mlflow": "mlflow", "trackio": "trackio", "aim": "aim", "comet": "comet_ml"}
DRAWN = [
    *(override for override in TINY if not override.startswith(("logger", "callbacks"))),
    "callbacks=[checkpoint,drawing]",
    "callbacks.drawing.every_n_epochs=1",
    "pictures=[samples]",
    "trainer.max_epochs=2",
]


class Listener(Tracker):
    """Records its calls; ``trouble`` chooses what goes wrong."""

    last: "Listener"

    def __init__(self, trouble: str) -> None:
        super().__init__("listener")
        self.trouble, self.told = trouble, []
        Listener.last = self

    def _hear(self, *told: Any) -> None:
        if self.trouble == "broken":
            raise ConnectionError("no server")
        if self.trouble == "slow":
            time.sleep(1)
        self.told.append(told)

    def log_settings(self, settings: dict[str, Any]) -> None:
        self._hear("settings", settings)

    def log_numbers(self, numbers: dict[str, float], step: int) -> None:
        self._hear("numbers", numbers, step)

    def log_picture(self, name: str, picture: np.ndarray, step: int) -> None:
        self._hear("picture", name, picture.shape, picture.dtype.name, step)

    def end(self, succeeded: bool) -> None:
        self._hear("end", succeeded)


def listener(trouble: str) -> Listener:
    return Listener(trouble)


def listening(compose: Compose, run_dir: Path, trouble: str, *overrides: str) -> Any:
    chosen = f"+logger.listener={{_target_: {__name__}.listener, trouble: {trouble}}}"
    return compose(*DRAWN, "logger=none", chosen, *overrides, run_dir=run_dir)


def test_a_tracker_gets_settings_numbers_pictures_and_the_end(composed: Compose, tmp_path: Path) -> None:
    train(listening(composed, tmp_path, "none"))
    told = Listener.last.told
    (settings,) = (entry[1] for entry in told if entry[0] == "settings")
    assert settings["model/lambda_"] == 100
    numbers = [(entry[2], entry[1]) for entry in told if entry[0] == "numbers"]
    assert [step for step, entry in numbers if "validation/loss" in entry] == [1, 3]  # as Lightning counts
    assert any("test/loss" in entry for _, entry in numbers)
    assert [entry[1] for entry in told if entry[0] == "picture"] == ["samples"] * 2
    assert [entry[3:] for entry in told if entry[0] == "picture"] == [("uint8", 2), ("uint8", 4)]
    assert told[-1] == ("end", True)


def test_a_failed_run_is_told_as_one(composed: Compose, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is nan; .*diagnosis.json"):
        train(listening(composed, tmp_path, "none", "optimizer.lr=1e30"))
    assert Listener.last.told[-1] == ("end", False)


@pytest.mark.parametrize("trouble", ["broken", "slow"])
def test_a_tracker_that_fails_is_told_once_and_never_stops_a_run(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    monkeypatch.setattr(tracker, "SECONDS", 0.2)
    train(listening(composed, tmp_path, trouble))
    assert json.loads((tmp_path / "summary.json").read_text())["status"] == "finished"
    assert caplog.text.count("logger=listener: entries are missing") == 1
    if trouble == "slow":  # it is asked once
        assert len(Listener.last.told) <= 1


def heard_by(run_dir: str, goes_on: bool = False) -> Tracker | None:
    """Return a listener that knows its run by the number of earlier ones."""

    def start(identity: str | None) -> Listener:
        made = Listener("none")
        made.identity = identity or f"run {len(list(Path(run_dir).parent.iterdir()))}"
        return made

    return started("listener", run_dir, goes_on, start)


def test_a_run_that_goes_on_goes_on_in_the_tracker(composed: Compose, tmp_path: Path) -> None:
    chosen = f"+logger.listener={{_target_: {__name__}.heard_by, run_dir: '${{run_dir}}'}}"
    known = []
    for name, start in (("a", "resume=auto"), ("b", "resume=auto"), ("a", "resume=auto")):
        train(composed(*DRAWN, "logger=none", chosen, start, run_dir=tmp_path / name))
        known.append(Listener.last.identity)
    assert known == ["run 1", "run 2", "run 1"]
    (tmp_path / "a" / IDENTITIES).write_text("[]")  # none of ours: a new one
    train(composed(*DRAWN, "logger=none", chosen, "resume=auto", run_dir=tmp_path / "a"))
    assert Listener.last.identity == "run 2"


def test_one_that_does_not_start_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tracker, "SECONDS_TO_START", 0.1)

    def refuse(identity: str | None) -> Listener:
        raise OSError("no such server")

    def wait(identity: str | None) -> Listener:
        time.sleep(1)
        return Listener("none")

    assert started("listener", str(tmp_path), False, refuse) is None
    assert started("listener", str(tmp_path), False, wait) is None
    assert "it doesn't start (no such server)" in caplog.text
    assert "it doesn't start (not done after 0.1 seconds)" in caplog.text


def test_numbers_that_are_not_finite_are_left_out() -> None:
    heard = Listener("none")
    heard.log_metrics({"a": float("nan"), "b": 1.0, "c": torch.tensor(2.0)}, None)  # type: ignore[dict-item]
    assert heard.told == [("numbers", {"b": 1.0, "c": 2.0}, 0)]


@pytest.mark.parametrize("option", OPTIONS)
def test_what_is_missing_is_said_before_training(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=rf"^logger={option}: not installed; accepted: pip install .*another logger$"):
        train(composed(*DRAWN, f"logger={option}", run_dir=tmp_path))
    assert not any(tmp_path.iterdir())


@pytest.fixture
def real(composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """The folder after a run with a real tracker; skipped where its package isn't installed."""
    option = request.param
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # it is read at import
    pytest.importorskip(OPTIONS[option])
    monkeypatch.delenv("COMET_API_KEY", raising=False)
    for epochs in (1, 2):  # one run, that goes on
        settings = [*DRAWN, f"trainer.max_epochs={epochs}", "resume=auto", f"logger={option}"]
        train(composed(*settings, run_dir=tmp_path / "run"))
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("real", ["mlflow"], indirect=True)
def test_mlflow_keeps_a_run_in_a_local_file(real: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient("sqlite:///mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("infovae").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["model/lambda_"] == "100.0"
    assert len(client.get_metric_history(run.info.run_id, "validation/loss")) == 2
    assert "test/loss" in run.data.metrics
    assert len([file for file in client.list_artifacts(run.info.run_id, "images") if file.path.endswith("png")]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("real", ["trackio"], indirect=True)
def test_trackio_keeps_a_run_in_a_local_file(real: Path) -> None:
    (store,) = (real / "trackio").glob("*.db")
    with sqlite3.connect(store) as database:
        rows = [json.loads(row) for (row,) in database.execute("select metrics from metrics order by step")]
        ((config,),) = database.execute("select config from configs")
    assert sum("validation/loss" in row for row in rows) == 2
    assert json.loads(config)["model/lambda_"] == 100
    assert len(list((real / "trackio").rglob("*.png"))) == 2


@pytest.mark.slow
@pytest.mark.parametrize("real", ["comet"], indirect=True)
def test_comet_keeps_a_run_in_a_file_to_upload(real: Path) -> None:
    keys = set()
    for archive in (real / "run" / "comet").glob("*.zip"):
        with zipfile.ZipFile(archive) as file:
            keys.add(json.loads(file.read("experiment.json"))["offline_id"])
            messages = file.read("messages.json").decode()
            assert sum(file.read(name).startswith(b"\x89PNG") for name in file.namelist()) == 1
        assert all(word in messages for word in ("validation/loss", "test/loss", "model/lambda_"))
    assert list(keys) == list(json.loads((real / "run" / IDENTITIES).read_text()).values())


@pytest.mark.slow
@pytest.mark.parametrize("real", ["aim"], indirect=True)
def test_aim_keeps_a_run_in_a_local_repository(real: Path) -> None:
    import aim

    reindex = [Path(sys.executable).with_name("aim"), "storage", "--repo", real, "reindex", "--yes"]
    subprocess.run(reindex, check=True)  # as aim up does by itself
    (run,) = aim.Repo(str(real)).iter_runs()
    assert run["succeeded"] is True
    assert run["config"]["model/lambda_"] == 100
    names = {metric.name for metric in run.metrics()}
    assert {"validation/loss", "test/loss"} <= names
