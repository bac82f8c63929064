"""Where Weights & Biases goes: decided before it could ask, and never in the way."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import TINY, Compose
from faults.wandb_server import wandb_server
from pytorch_lightning.loggers import Logger

from infovae.training.loggers import wandb as wandb_module
from infovae.training.loggers.wandb import choose_mode, finish, wandb_logger
from infovae.training.run import train


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def test_explicit_mode_wins_then_environment_then_key_then_offline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert choose_mode("auto") == "offline"
    (tmp_path / "netrc").write_text("machine elsewhere.org login user password p\n")
    assert choose_mode("auto") == "offline"
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password 0123456789\n")
    assert choose_mode("auto") == "online"
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.lab.example")
    assert choose_mode("auto") == "offline"
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert choose_mode("auto") == "online"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert choose_mode("auto") == "disabled"
    assert choose_mode("offline") == "offline"


def test_a_damaged_netrc_counts_as_no_key(tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine api.wandb.ai login")
    assert choose_mode("auto") == "offline"


def test_offline_run_lies_in_the_run_folder_and_is_closed(tmp_path: Path) -> None:
    logger = wandb_logger(str(tmp_path), name="a run", group="a sweep", tags=["x"])
    assert logger is not None
    logger.log_metrics({"test/loss": 1.5}, step=3)
    finish(exit_code=0)
    assert list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
    assert sys.modules["wandb"].run is None


def test_a_server_that_refuses_means_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # the discard port: nobody listens
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert choose_mode("auto") == "online"
    assert wandb_logger(str(tmp_path), name="a run") is not None
    finish(exit_code=0)
    assert list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))


def test_no_wandb_means_no_logger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert wandb_logger(str(tmp_path), name="a run") is None
    assert json.dumps(wandb_module.choose_mode("auto")) == '"offline"'


class Album(Logger):
    """A logger of one's own, of which only the pictures are looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, tuple[int, ...]]] = []

    name = version = "album"

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        pass

    def log_hyperparams(self, params: dict[str, Any]) -> None:
        pass

    def log_image(self, key: str, images: list[np.ndarray]) -> None:
        self.seen += [(key, image.shape) for image in images]


def test_pictures_reach_any_logger_that_takes_them(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    album = Album()
    monkeypatch.setattr("infovae.training.run.build_loggers", lambda cfg: [album])
    train(composed(*TINY, "callbacks=drawing", "pictures=[samples]", "trainer.max_epochs=1", run_dir=tmp_path))
    ((key, shape),) = album.seen
    assert (key, shape[-1]) == ("samples", 3)


def test_a_resumed_run_has_one_history_in_wandb_and_its_pictures_lie_on_the_disk_once(
    composed: Compose, tmp_path: Path
) -> None:
    run, tracked = tmp_path / "run", [entry for entry in TINY if not entry.startswith(("logger", "callbacks"))]
    drawn = ["callbacks=[checkpoint,drawing]", "callbacks.drawing.every_n_epochs=1", "pictures=[samples]"]
    for epochs in (2, 3):
        settings = ["logger=wandb_offline", "resume=auto", f"trainer.max_epochs={epochs}"]
        train(composed(*tracked, *drawn, *settings, run_dir=run))
    parts = sorted((run / "wandb").glob("offline-run-*"))
    with wandb_server() as server:
        subprocess.run(
            [str(Path(sys.executable).with_name("wandb")), "sync", *map(str, parts)],
            env=os.environ | {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": "a" * 40},
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        ((_, rows),) = server.runs.items()
    assert [row["epoch"] for row in rows.values() if "validation/loss" in row] == [0, 1, 2]
    assert [row["_step"] for row in rows.values()] == sorted(row["_step"] for row in rows.values())
    media = [path for part in parts for path in (part / "files" / "media" / "images").iterdir()]
    assert {path.stat().st_ino for path in media} == {
        (run / "figures" / f"samples-{epoch:04}.png").stat().st_ino for epoch in (1, 2, 3)
    }
    names = [path.name.split("-")[-1] for path in parts]
    assert names[0] == names[1]
