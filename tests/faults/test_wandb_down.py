"""Weights & Biases that is down, silent or refuses, and a full disk under it: no run stops, nothing is lost."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from conftest import PROJECT, SMALL
from faults.wandb_server import Server, wandb_server

from infovae.sweeps.jobs import outcome
from infovae.training.loggers import wandb as wandb_module
from infovae.training.loggers import wandb_server as address
from infovae.training.loggers.wandb import PatientWandbLogger, finish, wandb_logger

KEY = "a" * 40
REFUSED = "http://127.0.0.1:9"
"""The discard port: nobody listens."""

EPOCHS = 3
RUN = [
    "data=digits",
    *(override for override in SMALL if not override.startswith(("data.root", "logger"))),
    "pictures=[samples]",
    "callbacks.drawing.every_n_epochs=1",
    f"trainer.max_epochs={EPOCHS}",
    "hydra.run.dir=run",
]


@pytest.fixture(autouse=True)
def _account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("WANDB") or name.lower().endswith("_proxy")]:
        if name == "WANDB_SERVICE":  # restored after the test, it would name a process that has ended
            continue
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    yield
    finish(exit_code=1)


def history(server: Server) -> list[dict[str, Any]]:
    """The rows that a server was sent."""
    parts = [
        json.loads(body).get("files", {}).get("wandb-history.jsonl", {}).get("content", [])
        for path, body in server.asked
        if path.endswith("/file_stream")
    ]
    return [json.loads(line) for part in parts for line in part]


def brought_in(run_dir: Path) -> list[dict[str, Any]]:
    """The rows that `wandb sync` brings to a server that works."""
    (folder,) = (path.parent for path in run_dir.glob("wandb/*run-*/*.wandb") if path.stat().st_size > 1000)
    with wandb_server() as server:
        environment = os.environ | {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY}
        command = [str(Path(sys.executable).with_name("wandb")), "sync", "--include-online", str(folder)]
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)
        return history(server)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("hang", "doesn't answer"), ("500", "answers 500"), ("503", "answers 503"), ("401", None), (None, None)],
)
def test_a_server_out_of_order_is_told_from_one_that_refuses(
    monkeypatch: pytest.MonkeyPatch, fault: str | None, reason: str | None
) -> None:
    monkeypatch.setattr(address, "SECONDS_TO_ANSWER", 0.5)
    with wandb_server(fault) as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        assert address.trouble() == (reason and f"127.0.0.1 {reason}")


def test_a_server_that_nobody_runs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", REFUSED)
    assert str(address.trouble()).startswith("127.0.0.1 can't be reached (")


@pytest.mark.parametrize(
    ("fault", "faultless", "line"),
    [
        ("401", 0, "mode online failed ("),
        ("hang", 1, "mode online failed (Timed out initializing run"),
        ("hang", 2, "upload not finished after 1 seconds; `wandb sync --include-online "),
        ("500", 2, "upload not finished after 1 seconds; `wandb sync --include-online "),
    ],
    ids=["a wrong key", "silent when the run starts", "silent from then on", "out of order from then on"],
)
def test_what_a_server_does_not_take_is_brought_in_later(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    fault: str,
    faultless: int,
    line: str,
) -> None:
    monkeypatch.setattr(wandb_module, "SECONDS_TO_START", 2.0)
    with wandb_server(fault, faultless) as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        start = monotonic()
        logger = wandb_logger(str(tmp_path / "run"), name="a run", seconds_to_upload=1.0)
        assert logger is not None
        for step in range(EPOCHS):
            logger.log_metrics({"test/loss": step / 2}, step=step)
        finish(exit_code=0)
        seconds = monotonic() - start
    (told,) = (record.getMessage() for record in caplog.records if record.name == "infovae.training.loggers.wandb")
    assert told.startswith(f"logger=wandb: {line}")
    # 2 to start, 1 to upload; wandb's own process starts at most twice. Unbounded, wandb tries for minutes.
    assert seconds < 2 + 1 + 2 * wandb_module.SECONDS_TO_CLOSE
    assert [row["test/loss"] for row in brought_in(tmp_path / "run")] == [0, 0.5, 1]


def test_a_logger_that_fails_is_told_once_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Full:
        def log(self, metrics: dict[str, float]) -> None:
            raise OSError(28, "No space left on device", "/wandb/media")

    logger = PatientWandbLogger(experiment=Full(), save_dir="unused")
    with caplog.at_level(logging.WARNING):
        for step in range(3):
            logger.log_metrics({"test/loss": 1.0}, step=step)
    (record,) = caplog.records
    assert "No space left on device" in record.getMessage()


def trained(tmp_path: Path, url: str, *overrides: str, under: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """The real command."""
    command = [*under, sys.executable, str(PROJECT / "train.py"), *RUN, *overrides]
    return subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"WANDB_BASE_URL": url, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def check_whole(run: Path, answer: subprocess.CompletedProcess[str]) -> None:
    assert answer.returncode == 0, answer.stderr
    assert "Traceback" not in answer.stderr
    assert outcome(run).finished
    assert len((run / "metrics.csv").read_text().splitlines()) == EPOCHS + 1
    assert {path.name for path in (run / "checkpoints").iterdir()} == {"last.ckpt", "previous.ckpt", "best.ckpt"}
    assert (run / "figures" / "samples.png").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "faultless"),
    [("hang", 0), ("500", 0), ("401", 0), ("403", 0), ("hang", 1), ("hang", 2), ("500", 2), ("401", 2), ("refuse", 0)],
)
def test_a_run_ends_well_whatever_the_server_does(tmp_path: Path, fault: str, faultless: int) -> None:
    with wandb_server(fault if fault != "refuse" else None, faultless) as server:
        url = server.url if fault != "refuse" else REFUSED
        answer = trained(tmp_path, url, "logger.wandb.seconds_to_upload=5")
    check_whole(tmp_path / "run", answer)
    assert answer.stdout.count("logger=wandb: ") <= 1
    assert "wandb sync" in answer.stdout + answer.stderr
    losses = [row["validation/loss"] for row in brought_in(tmp_path / "run") if "validation/loss" in row]
    assert len(losses) == EPOCHS


@pytest.mark.slow
@pytest.mark.parametrize("size", ["4k", "64k"])
@pytest.mark.parametrize("online", [False, True])
def test_a_full_disk_under_its_folder_costs_a_run_nothing(tmp_path: Path, size: str, online: bool) -> None:
    (tmp_path / "run" / "wandb").mkdir(parents=True)
    mounted = f'mount -t tmpfs -o size={size} tmpfs run/wandb && exec "$@"'
    under = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mounted, "sh")
    mode = "online" if online else "offline"
    with wandb_server() as server:
        answer = trained(tmp_path, server.url, f"logger.wandb.mode={mode}", under=under)
    check_whole(tmp_path / "run", answer)
    assert "No space left on device" in answer.stdout
