"""What reaches W&B, and what is set up there, as far as can be told without an account."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import CONF, SMALL, TINY, Command, Compose
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

from infovae.errors import UserError
from infovae.training.loggers.workspace import build_workspace, save_workspace
from infovae.training.run import train

Record = dict[str, Any]

SWEEPS = sorted((CONF / "wandb_sweep").glob("*.yaml"))


def records_of(run: Path) -> list[Record]:
    """The log of an offline run, read by wandb's own command."""
    command = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json", str(run)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [json.loads(line) for line in answer.stdout.splitlines()]


def updates_of(record: Record) -> list[tuple[str, Any]]:
    """What a record sets in the run's config."""
    return list(record["config"]["update"].items())


def test_there_is_one_sweep_since_the_command_takes_one_file() -> None:
    assert len(SWEEPS) == 1


def test_the_agent_s_arguments_train_and_the_run_can_be_grouped(composed: Compose, tmp_path: Path) -> None:
    sweep = yaml.safe_load(SWEEPS[0].read_text())
    chosen = {
        key: {"value": entry["value"] if "value" in entry else entry["values"][1]}
        for key, entry in sweep["parameters"].items()
    }
    arguments = create_sweep_command_args({"args": chosen})["args_no_hyphens"]
    assert arguments == ["model=infovae", "divergence=stein", "model.lambda_=10", "seed=2"]
    assert create_sweep_command(sweep["command"]) == ["${env}", "infovae", "train", "${args_no_hyphens}"]

    settings = [entry for entry in SMALL if not entry.startswith("logger")]
    tracking = ["logger=wandb_offline", "group=a sweep", "tags=[x,y]"]
    train(composed(*arguments, *settings, *tracking, "trainer.max_epochs=1", run_dir=tmp_path))
    (run,) = (tmp_path / "wandb").glob("offline-run-*")
    records = records_of(run)
    (start,) = (record["run"] for record in records if record["type"] == "run")
    told = {name: start[name] for name in ("display_name", "project", "run_group", "job_type", "tags")}
    assert told == {
        "display_name": "infovae-stein", "project": "infovae", "run_group": "a sweep", "job_type": "train",
        "tags": ["x", "y"],
    }  # fmt: skip
    config = {key: value for record in records if record["type"] == "config" for key, value in updates_of(record)}
    by = {"model": "infovae", "divergence": "stein", "model/lambda_": 10, "data/train_size": 400, "seed": 2}
    assert {key: config.get(key) for key in by} == by
    assert not any("." in key or isinstance(value, dict) for key, value in config.items())


def test_each_job_keeps_its_wandb_run_when_its_sweep_goes_on(command: Command, tmp_path: Path) -> None:
    settings = [entry for entry in TINY if not entry.startswith("logger")]
    command("train", "-m", *settings, "seed=1,2", "trainer.max_epochs=1", "logger=wandb_offline", "hydra.sweep.dir=s")
    summary = tmp_path / "s" / "1" / "summary.json"
    summary.write_text(json.dumps(json.loads(summary.read_text()) | {"status": "interrupted"}))
    assert command("train", "-m", "sweep.resume=s").returncode == 0
    runs = [[part.name[28:] for part in sorted((tmp_path / "s" / job / "wandb").glob("offline-run-*"))] for job in "01"]
    (first,), (second, again) = runs
    assert first != second == again


def test_without_a_key_the_workspace_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_API_KEY", "WANDB_BASE_URL", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with pytest.raises(UserError, match=r"^no W&B key is configured; accepted: `wandb login` or .*WANDB_API_KEY$"):
        save_workspace("infovae", None)


@pytest.mark.filterwarnings("ignore:Pydantic V1 style")
def test_the_workspace_holds_what_is_to_be_compared() -> None:
    pytest.importorskip("wandb_workspaces")
    text = json.dumps(build_workspace("infovae", "me")._to_model().model_dump(by_alias=True, mode="json"))
    for panel in (
        '"xAxis": "config:data/train_size.value", "yAxis": "summary:test/log_det_covariance"',
        '"xAxis": "config:data/train_size.value", "yAxis": "summary:test/mmd"',
        '"mediaKeys": ["samples"]',
    ):
        assert panel in text
