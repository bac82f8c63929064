"""Ctrl-C during a sweep, which a terminal sends to the launcher and to its processes alike."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import PROJECT

from infovae.sweeps.jobs import outcome

OVERRIDES = (
    "data=digits network.encoder.hidden=[8] network.decoder.hidden=[8] latent_dim=2 metrics=[] callbacks=checkpoint "
    "logger=none trainer.enable_progress_bar=false seed=1,2,3 hydra/launcher=joblib hydra.launcher.n_jobs=2 "
    "hydra.sweep.dir=sweep trainer.max_epochs=150"
)


def alive(group: int) -> list[str]:
    """The processes of a group that still run; what waits for its parent's attention doesn't."""
    listed = subprocess.run(["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in listed.splitlines()]
    return [" ".join(rest) for pgid, state, *rest in rows if int(pgid) == group and not state.startswith("Z")]


@pytest.mark.slow
@pytest.mark.parametrize("started", ["training", "starting"])
def test_a_sweep_on_several_processes_ends_whole_and_goes_on(tmp_path: Path, started: str) -> None:
    environment = os.environ | {"HOME": str(tmp_path)}
    command = [sys.executable, str(PROJECT / "train.py")]
    sign = "*/checkpoints/last.ckpt" if started == "training" else "multirun.yaml"
    process = subprocess.Popen(
        [*command, "-m", *OVERRIDES.split()],
        cwd=tmp_path,
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 120
        while not list((tmp_path / "sweep").glob(sign)) and time.monotonic() < deadline:
            time.sleep(0.05)
        while started == "starting" and len(alive(process.pid)) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)  # until the launcher has made its processes, which import then
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130, errors
        assert "sweep.resume=sweep goes on" in errors
        deadline = time.monotonic() + 10
        while alive(process.pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert alive(process.pid) == []
    finally:
        if alive(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
    goes_on = [*command, "-m", "sweep.resume=sweep"]
    answer = subprocess.run(
        goes_on, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert sorted(path.parent.name for path in (tmp_path / "sweep").glob("*/summary.json")) == ["0", "1", "2"]
    assert all(outcome(path.parent).finished for path in (tmp_path / "sweep").glob("*/summary.json"))
