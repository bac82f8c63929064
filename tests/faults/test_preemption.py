"""A cluster that takes its machine back: the real command, and programs that stand in for Slurm's."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import PROJECT, SMALL, Compose
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from signal_at import PATHS, override

from infovae.sweeps.jobs import outcome
from infovae.training.assemble import build_trainer
from infovae.training.preemption import Termination, requeue, termination_notice
from infovae.training.run import train

SLURM = {
    "SLURM_JOB_ID": "4711", "SLURM_JOB_NAME": "train", "SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0", "SLURM_NODELIST": "node1",
}  # fmt: skip


def stand_in(folder: Path, state: str) -> dict[str, str]:
    """An environment of a Slurm job in this state, whose scontrol writes down what it is asked."""
    folder.mkdir()
    for name, line in (("squeue", f"echo {state}"), ("scontrol", f'echo "$@" >> {folder / "asked"}'), ("srun", "")):
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    return SLURM | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def test_sigterm_ends_in_order_requeues_and_the_same_command_goes_on(composed: Compose, tmp_path: Path) -> None:
    settings = [*SMALL, "callbacks=checkpoint", "metrics=[]", "trainer.max_epochs=4", "trainer.limit_val_batches=1"]
    environment = os.environ | {"HOME": str(tmp_path)} | stand_in(tmp_path / "bin", "RUNNING")
    environment |= {"PYTHONPATH": PATHS}
    run, third_epoch = tmp_path / "run", override(9, "SIGTERM", tmp_path / "sent")
    command = [sys.executable, str(PROJECT / "train.py"), *settings, third_epoch, "hydra.run.dir=run", "resume=auto"]
    answer = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert answer.returncode == 143, answer.stderr
    assert "Traceback" not in answer.stderr
    assert outcome(run).status == "interrupted"
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 8
    assert (tmp_path / "bin" / "asked").read_text() == "requeue 4711\n"
    assert not list(run.glob("hpc_ckpt*"))

    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=120)
    assert outcome(run).finished
    train(composed(*settings, run_dir=tmp_path / "whole"))
    whole, went_on = (
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for folder in (tmp_path / "whole", run)
    )
    assert all(torch.equal(whole[name], went_on[name]) for name in whole)


@pytest.mark.parametrize("state", ["CANCELLED", "COMPLETING", ""])
def test_a_cancelled_job_stays_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    for name, value in stand_in(tmp_path / "bin", state).items():
        monkeypatch.setenv(name, value)
    requeue()
    assert not (tmp_path / "bin" / "asked").exists()


def test_without_slurm_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in stand_in(tmp_path / "bin", "RUNNING").items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SLURM_JOB_ID")
    requeue()
    assert not (tmp_path / "bin" / "asked").exists()


def test_lightning_is_kept_from_requeueing(composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its checkpoint of the middle of an epoch would be taken up by whatever starts in that folder next."""
    for name, value in stand_in(tmp_path / "bin", "RUNNING").items():
        monkeypatch.setenv(name, value)
    environment = build_trainer(composed(*SMALL, run_dir=tmp_path / "run"))._accelerator_connector.cluster_environment
    assert isinstance(environment, SLURMEnvironment)
    assert not environment.auto_requeue


def test_the_notice_is_given_once_and_the_handler_of_before_returns() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with termination_notice() as notice:
        with pytest.raises(Termination):
            os.kill(os.getpid(), signal.SIGTERM)
        assert notice.received
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
