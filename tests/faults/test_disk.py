"""Disks that are full or can't be written to, for real: a limit of the kernel's, and file systems of two megabytes."""

import errno
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from conftest import PROJECT, SMALL, TINY, Compose

from infovae.errors import UserError
from infovae.module import InfoVAE
from infovae.runs.checkpoints import left_behind, newest_sound
from infovae.training import record
from infovae.training.run import train

QUICK = [*SMALL, "callbacks=checkpoint", "metrics=[]", "trainer.max_epochs=3", "trainer.limit_val_batches=1"]
STEPS = 4


@pytest.fixture
def limit() -> Iterator[int]:
    """No file may grow beyond so many bytes; put into force by the test, lifted after it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield 200_000
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def fill_at(monkeypatch: pytest.MonkeyPatch, step: int, limit: int) -> None:
    """From this training step on, the disk takes no file of a checkpoint's size."""
    original, count = InfoVAE.training_step, 0

    def counting(module: InfoVAE, *arguments: Any) -> torch.Tensor:
        nonlocal count
        count += 1
        if count == step:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        return original(module, *arguments)

    monkeypatch.setattr(InfoVAE, "training_step", counting)


def test_a_disk_that_fills_up_leaves_the_last_good_checkpoint_whole(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    refusal = rf"^hydra.run.dir={tmp_path}: {tmp_path}/\S+: File too large; the last good checkpoint is "
    with monkeypatch.context() as patch:
        fill_at(patch, STEPS + 2, limit)
        with pytest.raises(UserError, match=refusal) as told:
            train(composed(*QUICK, run_dir=tmp_path))
    assert "\n" not in str(told.value)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["status"] == "failed"
    assert "File too large" in summary["error"]
    assert newest_sound([tmp_path / "checkpoints"], tmp_path) == tmp_path / "checkpoints" / "last.ckpt"
    assert torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == STEPS
    assert not list(tmp_path.rglob("*.part"))

    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    train(composed(*QUICK, "resume=auto", run_dir=tmp_path))
    train(composed(*QUICK, run_dir=tmp_path / "whole"))
    whole, went_on = (
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for folder in (tmp_path / "whole", tmp_path)
    )
    assert all(torch.equal(whole[name], went_on[name]) for name in whole)


def full(path: Path, *_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def test_what_ended_the_run_is_told_where_even_the_summary_has_no_room(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise UserError("x=1: no")

    monkeypatch.setattr(record, "write_record", full)
    monkeypatch.setattr(InfoVAE, "training_step", fail)
    with pytest.raises(UserError, match=r"^x=1: no$"):
        train(composed(*QUICK, run_dir=tmp_path))
    assert "summary.json couldn't be written" in caplog.text


def test_a_run_whose_summary_has_no_room_did_not_finish(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "write_record", full)
    with pytest.raises(
        UserError, match=r"^hydra.run.dir=.*summary.json: No space left on device; the last good checkpoint is .*last"
    ):
        train(composed(*TINY, "trainer.max_epochs=1", run_dir=tmp_path))


def test_an_error_names_whatever_checkpoint_there_is(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    assert left_behind(tmp_path) == "no checkpoint was written"
    for name in ("best.ckpt", "previous.ckpt", "last.ckpt"):
        (tmp_path / "checkpoints" / name).touch()
        assert left_behind(tmp_path) == f"the last good checkpoint is {tmp_path / 'checkpoints' / name}"


def test_an_error_names_a_checkpoint_outside_of_the_run_folder(composed: Compose, tmp_path: Path) -> None:
    elsewhere = [f"callbacks.{name}.dirpath={tmp_path / 'elsewhere'}" for name in ("checkpoint", "last_checkpoint")]
    failing = "+callbacks.z._target_=test_disk.FullInTheSecondEpoch"
    with pytest.raises(UserError, match=rf"the last good checkpoint is {tmp_path / 'elsewhere' / 'last.ckpt'}$"):
        train(composed(*TINY, *elsewhere, failing, "trainer.max_epochs=2", run_dir=tmp_path / "run"))


class FullInTheSecondEpoch(pl.Callback):
    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch == 1:
            full(Path("metrics.csv"))


def on_a_disk(options: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """The real command, with its run folder on a file system of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = f'mount -t tmpfs -o {options} tmpfs "$0" && exec "$@"'
    command = [sys.executable, str(PROJECT / "train.py"), *QUICK, "hydra.run.dir=disk/run"]
    return subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mounted, str(disk), *command],
        cwd=tmp_path,
        env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def can_mount() -> bool:
    attempt = "mount -t tmpfs -o size=4k tmpfs /mnt"
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", attempt]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not can_mount(), reason="this machine lets nobody mount a file system of their own")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("size=2m", "MB are free there and the checkpoints take 5.0; accepted: a folder"),
        ("ro", "Read-only file system"),
    ],
    ids=["full", "read-only"],
)
def test_it_is_found_before_training(tmp_path: Path, options: str, message: str) -> None:
    answer = on_a_disk(options, tmp_path)
    assert answer.returncode == 1
    (line,) = answer.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert "Trainer.fit" not in answer.stdout


def test_a_deleted_working_directory_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    answer = subprocess.run(
        ["sh", "-c", f'rmdir ../gone && exec "{sys.executable}" -m infovae train data=digits'],
        cwd=tmp_path / "gone",
        env=os.environ | {"PYTHONPATH": str(PROJECT / "src")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert answer.returncode == 1
    assert answer.stderr == "error: the working directory is gone; accepted: a folder that exists: cd into one\n"
