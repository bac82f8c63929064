"""Where Weights & Biases goes: decided before it could ask, and never in the way."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import TINY, Compose
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
