"""Each engine for real on this machine, as far as it is installed: CI installs all but Ray."""

import importlib.util
import os
import re
from pathlib import Path

import pytest
from conftest import CONF, SMALL, Command, Compose
from hydra.core.hydra_config import HydraConfig

from infovae.errors import UserError
from infovae.sweeps.jobs import outcome
from infovae.sweeps.launch import check_launcher

LAUNCHERS = sorted(path.stem for path in (CONF / "hydra" / "launcher").glob("*.yaml"))
PROBE = ["+callbacks.probe._target_=probe.Threads", "+callbacks.probe.path=${run_dir}/threads"]


def need(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        assert "CI" not in os.environ, f"CI has to have {module}"
        pytest.skip(f"{module} is not installed")


def run_two_jobs(process: Command, tmp_path: Path, *overrides: str) -> tuple[list[int], str]:
    """Threads of each job, and what the sweep printed."""
    small = [entry for entry in SMALL if not entry.startswith("logger")]
    answer = process(
        "train", "-m", *small, "logger=wandb_offline", *PROBE, *overrides, "trainer.max_epochs=1", "seed=1,2",
        "hydra.sweep.dir=sweep",
        PYTHONPATH=os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]),
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert "validated against ConfigStore schema" not in answer.stderr
    assert [outcome(tmp_path / "sweep" / name).status for name in "01"] == ["finished", "finished"]
    for name, seed in zip("01", ("seed=1", "seed=2"), strict=True):
        assert f"\nname: {seed}\n" in (tmp_path / "sweep" / name / "config.yaml").read_text()
    runs = [part.name[28:] for part in (tmp_path / "sweep").glob("*/wandb/offline-run-*")]
    assert len(runs) == len(set(runs)) == 2
    assert re.search(r"all +│ 2 +│ .* ± ", answer.stdout)
    assert answer.stdout.splitlines()[-1] == "compare: infovae dashboard runs=sweep"
    return [int((tmp_path / "sweep" / name / "threads").read_text()) for name in "01"], answer.stdout


def test_joblib_divides_the_cores_among_its_jobs_which_stream(
    process: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """joblib's processes hand down a way of starting others that torch's workers can't use (joblib/joblib#1104)."""
    need("hydra_plugins.hydra_joblib_launcher")
    import joblib

    monkeypatch.delenv("OMP_NUM_THREADS")  # the tests' own
    streamed = ["data.streaming=always", "data.workers=1", "metrics=[]", "trainer.limit_test_batches=1"]
    launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    threads, printed = run_two_jobs(process, tmp_path, "callbacks=checkpoint", *streamed, *launcher)
    for name in "01":
        assert f"job {name}: seed={int(name) + 1}\n" in printed
        assert f"[job {name}][infovae.training.run]" in printed
    assert threads == [max(1, joblib.cpu_count() // 2)] * 2


@pytest.mark.slow
def test_submitit_starts_a_process_for_each_job(
    process: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("hydra_plugins.hydra_submitit_launcher")
    monkeypatch.delenv("OMP_NUM_THREADS")
    launcher = ["hydra/launcher=submitit_local", "hydra.launcher.cpus_per_task=3", "hydra.sweeper.max_batch_size=1"]
    assert run_two_jobs(process, tmp_path, "callbacks=checkpoint", *launcher)[0] == [3, 3]


@pytest.mark.slow
def test_ray_on_one_machine(process: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("hydra_plugins.hydra_ray_launcher") is None:
        pytest.skip("ray is not installed")  # 400 MB that CI does without
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert run_two_jobs(process, tmp_path, "callbacks=checkpoint", "hydra/launcher=ray")[0] == [1, 1]


@pytest.mark.filterwarnings("ignore:\\s*'hydra/launcher")
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_missing_launcher_is_told_with_what_installs_it(
    composed: Compose, launcher: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    composed(f"hydra/launcher={launcher}")  # against the plugin's own schema where it is installed
    monkeypatch.setattr("infovae.sweeps.launch.find_spec", lambda name: None)
    package = f"hydra-{launcher.partition('_')[0]}-launcher"
    message = rf"^hydra/launcher={launcher}: not installed; pip install '{package}[^ ']*'$"
    with pytest.raises(UserError, match=message):
        check_launcher(HydraConfig.get())
