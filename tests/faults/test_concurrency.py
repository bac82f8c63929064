"""Runs that start together, and runs that are told to write to the same folder: real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import PROJECT, SMALL, Command, Compose
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from infovae.errors import UserError
from infovae.runs.lock import claimed
from infovae.sweeps.jobs import outcome
from infovae.training.run import train

QUICK = [
    "data=digits",
    *(override for override in SMALL if not override.startswith("data.root")),
    "callbacks=checkpoint",
    "metrics=[]",
    "trainer.max_epochs=2",
]
HOLD = """
import sys, time
from pathlib import Path
from infovae.runs.lock import claimed
with claimed(Path(sys.argv[1]), "hydra.run.dir"):
    print("held", flush=True)
    time.sleep(600)
"""
JOBS = 50
STARTED = int(os.environ.get("STARTED", "16"))
"""Processes started at once: each takes half a gigabyte."""


@contextmanager
def held(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process has the folder; SIGKILL ends it."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_of_two_runs_in_one_folder_the_second_is_refused_and_writes_nothing(composed: Compose, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(composed(*QUICK, "trainer.max_epochs=1", run_dir=run))
    with held(run):
        before = content(run)
        with pytest.raises(UserError, match=f"^hydra.run.dir={run}: another process is writing there; accepted:"):
            train(composed(*QUICK, "seed=2", run_dir=run))
        assert content(run) == before
    # The other was killed: its claim is gone with it, and the same command goes on.
    train(composed(*QUICK, "resume=auto", run_dir=run))
    assert outcome(run).finished
    assert len((run / "metrics.csv").read_text().splitlines()) == 3


def test_the_command_answers_in_one_line_before_it_writes(command: Command, tmp_path: Path) -> None:
    with held(tmp_path / "run"):
        answer = command("train", *QUICK, "hydra.run.dir=run")
    assert answer.returncode == 1
    (line,) = answer.stderr.splitlines()
    assert line.startswith(f"error: hydra.run.dir={tmp_path / 'run'}: another process is writing there; accepted:")
    assert set(content(tmp_path / "run")) <= {".lock", "train.log"}  # Hydra opens a log, and has nothing to say in it


def test_of_two_sweeps_in_one_folder_the_second_is_refused(command: Command, tmp_path: Path) -> None:
    with held(tmp_path / "sweep"):
        answer = command("train", "-m", *QUICK, "seed=1,2", "hydra.sweep.dir=sweep")
    assert answer.returncode == 1
    assert answer.stderr.startswith("error: hydra.sweep.dir=sweep: another process is writing there; accepted:")
    assert set(content(tmp_path / "sweep")) == {".lock"}


def test_a_claim_ends_with_its_block(tmp_path: Path) -> None:
    for _ in range(2):
        with claimed(tmp_path / "run", "key"), pytest.raises(UserError, match="another process"):
            claimed(tmp_path / "run", "key").__enter__()


def test_a_run_records_its_origin_as_hydra_does(composed: Compose, tmp_path: Path) -> None:
    train(composed(*QUICK, "trainer.max_epochs=1", run_dir=tmp_path / "run"))
    recorded = OmegaConf.load(tmp_path / "run" / ".hydra" / "hydra.yaml")
    assert recorded.hydra.runtime.choices["data"] == "digits"
    assert OmegaConf.load(tmp_path / "run" / ".hydra" / "overrides.yaml")[1] == "data=digits"


def test_runs_that_start_in_the_same_second_have_folders_of_their_own(composed: Compose) -> None:
    folders = set()
    for _ in range(3):
        composed("data=digits")
        folders |= {HydraConfig.get().run.dir, HydraConfig.get().sweep.dir}
    assert len(folders) == 6


@pytest.mark.slow
def test_runs_started_at_once_all_finish(tmp_path: Path) -> None:
    """The default folders, W&B offline, MNIST to be unpacked first: nothing is told apart by hand."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mnist").symlink_to(PROJECT / "data" / "mnist")
    overrides = [*(override for override in QUICK if not override.startswith(("data=", "logger="))), "data=mnist"]
    command = [sys.executable, str(PROJECT / "train.py"), *overrides, "data.root=data"]
    environment = os.environ | {"HOME": str(tmp_path), "WANDB_MODE": "offline"}
    processes = [
        subprocess.Popen(
            [*command, f"seed={seed}"], cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        for seed in range(STARTED)
    ]
    errors = [process.communicate(timeout=3000)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0] * STARTED, errors
    runs = [path.parent for path in tmp_path.glob("outputs/*/*/summary.json")]
    assert {OmegaConf.load(run / "config.yaml").seed for run in runs} == set(range(STARTED))
    assert all(outcome(run).finished and len((run / "metrics.csv").read_text().splitlines()) == 3 for run in runs)
    assert len(list(tmp_path.glob("outputs/*/*/wandb/offline-run-*/*.wandb"))) == STARTED


@pytest.mark.slow
def test_fifty_jobs_of_a_sweep_at_once_all_finish(process: Command, tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    seeds = ",".join(map(str, range(JOBS)))
    answer = process(
        "train", "-m", *QUICK, f"seed={seeds}", "hydra/launcher=joblib", "hydra.launcher.n_jobs=10",
        "hydra.sweep.dir=sweep", timeout=3000,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert all(outcome(tmp_path / "sweep" / str(number)).finished for number in range(JOBS))


@pytest.mark.slow
def test_a_run_that_is_killed_leaves_its_folder_to_the_same_command(tmp_path: Path) -> None:
    def start(*overrides: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(PROJECT / "train.py"), *QUICK, *overrides, "hydra.run.dir=run", "resume=auto"]
        environment = os.environ | {"HOME": str(tmp_path)}
        return subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE)

    run = tmp_path / "run"
    first = start("trainer.max_epochs=100000")
    try:
        while not (run / "checkpoints" / "previous.ckpt").exists():
            assert first.poll() is None
            time.sleep(0.05)
        origin = (run / ".hydra" / "overrides.yaml").read_bytes()
        second = start("seed=2")
        assert b"another process is writing there" in second.communicate(timeout=600)[1]
        assert second.returncode == 1
        assert (run / ".hydra" / "overrides.yaml").read_bytes() == origin
        assert first.poll() is None
    finally:
        first.kill()
        first.wait()
    epochs = len((run / "metrics.csv").read_text().splitlines()) + 1
    third = start(f"trainer.max_epochs={epochs}")
    third.communicate(timeout=600)
    assert third.returncode == 0
    assert outcome(run).finished
