"""Sweeps that outlive their failing jobs and their own death."""

import csv
import json
import math
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import PROJECT, SMALL, Command, Compose
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from infovae.app.cli import flags_of_hydra
from infovae.errors import UserError
from infovae.sweeps.jobs import Job, SweepRecord, adopted, number_jobs, outcome, recorded_jobs
from infovae.sweeps.overrides import combinations, for_swept_options
from infovae.sweeps.report import report
from infovae.sweeps.resume import resumed
from infovae.sweeps.search_space import first_trial, shared_and_searched
from infovae.terminal.command import STARTED_BY
from infovae.training.run import train

EPOCHS = 40
SHORT = ["trainer.limit_val_batches=1", "trainer.limit_test_batches=1"]


def leave(folder: Path, overrides: list[str], **summary: object) -> None:
    """What a job leaves in its folder."""
    (folder / ".hydra").mkdir(parents=True)
    OmegaConf.save(OmegaConf.create(overrides), folder / ".hydra" / "overrides.yaml")
    if summary:
        (folder / "summary.json").write_text(json.dumps({"error": None, "metrics": {}} | summary))


def test_jobs_are_known_by_their_overrides_not_by_their_number(tmp_path: Path) -> None:
    leave(tmp_path / "0", ["seed=1", "model=vae"], status="finished")
    leave(tmp_path / "10", ["model=vae", "seed=2", "sweep.resume=x"])
    leave(tmp_path / "2", ["model=vae", "seed=3"])
    recorded = recorded_jobs(tmp_path)
    assert [job.folder.name for job in recorded.jobs] == ["0", "2", "10"]
    assert recorded.unreadable == []
    asked = [["model=vae", f"seed={seed}", "sweep.resume=y"] for seed in (4, 3, 2, 1, 5)]
    jobs = number_jobs(tmp_path, asked, recorded)
    assert [job.folder.name for job in jobs] == ["11", "2", "10", "0", "12"]
    assert [job.folder.name for job in number_jobs(tmp_path, asked, SweepRecord([], []))] == [
        "0",
        "1",
        "2",
        "3",
        "4",
    ]


def test_an_outcome_is_what_the_summary_says_and_without_one_the_job_was_cut_off(tmp_path: Path) -> None:
    leave(tmp_path / "0", [], status="finished", metrics={"validation/loss": 3.0, "test/mmd": "nan"})
    leave(tmp_path / "1", [], status="failed", error="ValueError: no")
    leave(tmp_path / "2", [])
    finished, failed, cut_off = (outcome(tmp_path / name) for name in "012")
    assert finished.finished
    assert finished.metrics["validation/loss"] == 3
    assert finished.metrics["test/mmd"] != finished.metrics["test/mmd"]
    assert not failed.finished
    assert str(failed) == "ValueError: no"
    assert str(cut_off) == "cut off"


@pytest.mark.parametrize(
    "summary", ["[]", "{}", '{"status": "fini', '{"status": 1, "error": null, "metrics": {}}', "null",
                '{"status": "finished", "error": null, "metrics": {"a": []}}', "\xff"],
)  # fmt: skip
def test_a_damaged_summary_is_that_of_a_job_that_was_cut_off(tmp_path: Path, summary: str) -> None:
    leave(tmp_path / "0", [])
    (tmp_path / "0" / "summary.json").write_bytes(summary.encode("latin1"))
    assert outcome(tmp_path / "0").status == "cut off"
    assert str(outcome(tmp_path / "0")) == f"cut off: {tmp_path / '0' / 'summary.json'} is damaged"


def test_a_job_with_a_damaged_record_keeps_its_number(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    combinations = [["model=vae", f"seed={seed}"] for seed in range(6)]
    for number in range(5):
        leave(tmp_path / str(number), combinations[number])
    hydra = {"hydra": {"overrides": {"task": combinations[0]}}}
    (tmp_path / "0" / ".hydra" / "overrides.yaml").write_text("- model=v")
    OmegaConf.save(hydra, tmp_path / "0" / ".hydra" / "hydra.yaml")  # which tells it, too
    (tmp_path / "1" / ".hydra" / "overrides.yaml").write_text("- [model")
    (tmp_path / "2" / ".hydra" / "overrides.yaml").write_text("")
    (tmp_path / "3" / ".hydra" / "overrides.yaml").unlink()
    record = recorded_jobs(tmp_path)
    jobs = number_jobs(tmp_path, combinations, adopted(record, combinations))
    assert [job.folder.name for job in jobs] == ["0", "1", "2", "3", "4", "5"]
    assert [folder.name for folder in record.unreadable] == ["1", "2", "3"]
    for number in (1, 2, 3):
        assert f"{tmp_path / str(number)}: its record in .hydra/ is damaged; the job of that number runs" in caplog.text
    # In another order, job 2's number names a job that has a folder of its own; the number stays taken.
    other = [combinations[4], ["seed=7"], combinations[0]]
    jobs = number_jobs(tmp_path, other, adopted(record, other))
    assert [job.folder.name for job in jobs] == ["4", "1", "0"]
    # Where nothing runs, no folder is taken for a job that it may not be.
    assert [job.folder.name for job in number_jobs(tmp_path, combinations, record)] == ["0", "5", "6", "7", "4", "8"]
    assert f"{tmp_path / '2'}: its record in .hydra/ is damaged; it is left alone" in caplog.text


@pytest.mark.parametrize("overrides", ["task: [seed", "{hydra: [], task: 'seed=1,2'}", "seed=1,2", "{hydra: []}"])
def test_a_torn_multirun_yaml_needs_the_sweep_s_own_command(
    overrides: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "multirun.yaml").write_text(f"hydra:\n  overrides:\n    {overrides}")
    with pytest.raises(UserError, match=r"its multirun.yaml is damaged; accepted: the sweep's own command with sweep"):
        resumed(["-m", f"sweep.resume={tmp_path}"])
    own = [f"sweep.resume='{tmp_path}'", "hydra.mode=MULTIRUN", f"hydra.sweep.dir='{tmp_path}'"]
    assert resumed(["-m", "seed=1,2", f"sweep.resume={tmp_path}"]) == ["-m", "seed=1,2", *own]
    assert "multirun.yaml is damaged; the sweep goes on by this command alone" in caplog.text


@pytest.mark.parametrize("name", ["it's", "a b", "100%", "a,b=c", 'q"', "back\\"])
def test_any_folder_can_be_resumed(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py"])
    folder = tmp_path / name
    folder.mkdir()
    OmegaConf.save({"hydra": {"overrides": {"hydra": [], "task": ["seed=1,2"]}}}, folder / "multirun.yaml")
    with pytest.raises(UserError) as advice:
        report([Job(folder / "0", ("seed=1",))], folder)
    command = str(advice.value).partition("; infovae train ")[2].removesuffix(" runs them again")
    arguments = resumed(shlex.split(command))
    parsed = OverridesParser.create().parse_overrides(arguments[1:])
    values = {override.key_or_group: override.value() for override in parsed if not override.is_sweep_override()}
    assert values["sweep.resume"] == values["hydra.sweep.dir"] == str(folder)
    assert resumed(arguments) == arguments


def test_the_report_lists_what_did_not_finish_by_what_sets_it_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = [Job(tmp_path / str(seed), ("model=vae", f"seed={seed}")) for seed in range(3)]
    leave(jobs[0].folder, [], status="finished")
    leave(jobs[1].folder, [], status="failed", error="ValueError: no")
    with pytest.raises(UserError, match=rf"2 of 3 jobs didn't finish; .* -m sweep.resume={tmp_path} runs them again"):
        report(jobs, tmp_path)
    assert capsys.readouterr().err == "job 1 (seed=1): ValueError: no\njob 2 (seed=2): not started\n"
    report(jobs[:1], tmp_path)


def test_a_sweep_ends_in_means_over_seeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {("vae", 1): 1.0, ("vae", 2): 3.0, ("infovae", 1): math.nan, ("infovae", 2): 2.0}
    jobs = [Job(tmp_path / f"{model}{seed}", (f"model={model}", f"seed={seed}", "x=1")) for model, seed in values]
    for job, value in zip(jobs, values.values(), strict=True):
        leave(job.folder, [], status="finished", metrics={"test/mmd": str(value), "test/other": 1})
    report(jobs, tmp_path)
    lines = capsys.readouterr().out.splitlines()
    # By hand: standard deviation sqrt(2) of 1 and 3, over sqrt(2).
    assert [line.split() for line in lines if "model=" in line] == [
        ["│", "model=vae", "│", "2", "│", "2", "±", "1", "│"],
        ["│", "model=infovae", "│", "2", "│", "nan", "│"],
    ]
    with (tmp_path / "groups.csv").open() as file:
        assert [*csv.DictReader(file)] == [
            {"group": "model=vae", "jobs": "2", "mmd": "2 ± 1", "other": "1 ± 0"},
            {"group": "model=infovae", "jobs": "2", "mmd": "nan", "other": "1 ± 0"},
        ]
    monkeypatch.setenv(STARTED_BY, "infovae reproduce figure=samples")
    with pytest.raises(UserError, match="1 of 1 jobs didn't finish; infovae reproduce figure=samples runs them again"):
        report([Job(tmp_path / "none", ("seed=1",))], tmp_path)
    monkeypatch.delenv(STARTED_BY)
    monkeypatch.setattr("sys.argv", ["infovae", "-m", "-cd", "my conf", "seed=1,2"])
    with pytest.raises(UserError, match=r"; infovae train '--config-dir=my conf' -m sweep.resume=\S+ runs them again"):
        report([Job(tmp_path / "none", ("seed=1",))], tmp_path)


def test_combinations_are_those_of_hydra_s_own_sweeper() -> None:
    given = ["seed=1,2", "+model=vae", "a=range(0,3)", "~b", "c='x y',z", "d=choice([1,2],3)"]
    overrides = OverridesParser.create().parse_overrides(given)
    assert combinations(overrides) == BasicSweeper.split_arguments(overrides, None)[0]
    assert len(combinations(overrides)) == 2 * 3 * 2 * 2


def test_flags_are_those_of_hydra_s_own_parser() -> None:
    ours, theirs = (
        {flag: action.nargs for action in parser._actions for flag in action.option_strings}
        for parser in (flags_of_hydra(), get_args_parser())
    )
    assert ours == theirs


def test_a_resumed_command_is_the_recorded_one_with_what_is_given_laid_over(tmp_path: Path) -> None:
    overrides = {"hydra": ["hydra.mode=MULTIRUN", "hydra/launcher=joblib"], "task": ["seed=1,2", "+trainer.x=1"]}
    OmegaConf.save({"hydra": {"overrides": overrides}}, tmp_path / "multirun.yaml")
    own = [f"sweep.resume='{tmp_path}'", "hydra.mode=MULTIRUN", f"hydra.sweep.dir='{tmp_path}'"]
    recorded = ["hydra/launcher=joblib", "+trainer.x=1"]
    given = ["-m", "model=vae", f"sweep.resume={tmp_path}", "seed=1,2,3", "--config-dir=mine"]
    assert resumed(given) == ["-m", "model=vae", *recorded, *own, "seed=1,2,3", "--config-dir=mine"]
    assert flags_of_hydra().parse_args(resumed(given)).config_dir == "mine"
    assert resumed(["seed=1", "sweep.resume=null"]) == ["seed=1", "sweep.resume=null"]
    with pytest.raises(UserError, match=r"^sweep.resume=nowhere: no multirun.yaml in there; accepted: the folder"):
        resumed(["-m", "sweep.resume=nowhere"])


@pytest.mark.parametrize(
    ("given", "held"),
    [
        (["bound=elbo,iwae", "bound.samples=5"], "bound.samples=choice(5)"),
        (["schedule@model.lambda_=linear,cosine", "+model.lambda_.steps=5"], "+model.lambda_.steps=choice(5)"),
        (["divergence/kernel=gaussian,laplacian", "divergence.kernel.x='a,b'"], "divergence.kernel.x=choice('a,b')"),
        (["data=a,b", "data.sizes=[1,2]"], "data.sizes=choice([1,2])"),
        (["bound=elbo,iwae", "bound.samples=5,6"], "bound.samples=5,6"),
        (["bound=elbo,iwae", "~bound.samples"], "~bound.samples"),
        (["bound=elbo,iwae", "bounds=5"], "bounds=5"),
        (["bound=iwae", "bound.samples=5"], "bound.samples=5"),
        (
            ["seed=1,2", "data.train_size=null"],
            "data.train_size=null",
        ),  # Hydra's choice() doesn't take null, or nothing
        (["data=a,b", "data.train_size=null"], "data.train_size=null"),
        (["data=a,b", "data.sizes="], "data.sizes="),
    ],
)
def test_keys_of_swept_options_wait_for_their_option(given: list[str], held: str) -> None:
    assert for_swept_options(given) == [given[0], held]


def test_an_option_is_drawn_with_a_key_that_it_brings() -> None:
    overrides = OverridesParser.create().parse_overrides(["scheduler=cosine,one_cycle", "scheduler.x=choice(5)"])
    shared, space = shared_and_searched(overrides)
    assert first_trial(shared, space) == ["scheduler.x=5", "scheduler=cosine"]
    assert list(space) == ["scheduler"]


def test_a_killed_sweep_goes_on_where_it_was(command: Command, composed: Compose, tmp_path: Path) -> None:
    """Three jobs: one finishes, one is impossible, one is killed in the middle of training."""
    settings = [*SMALL, "callbacks=checkpoint", "metrics=[]", *SHORT, f"trainer.max_epochs={EPOCHS}"]
    sweep, script = tmp_path / "sweep", str(PROJECT / "train.py")
    process = subprocess.Popen(
        [sys.executable, script, "-m", *settings, "seed=1", "model.lambda_=2,0.5,3", f"hydra.sweep.dir={sweep}"],
        cwd=tmp_path,
        env=os.environ | {"HOME": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 240
    while not (sweep / "2" / "checkpoints" / "last.ckpt").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    assert [outcome(sweep / name).status for name in "012"] == ["finished", "failed", "cut off"]
    first = (sweep / "0" / "summary.json").read_bytes()

    answer = command("train", f"sweep.resume={sweep}")
    assert "(2 of 3 jobs to run)" in answer.stdout
    assert re.findall(r"#(\d+) : model.lambda_=(\S+)$", answer.stdout, re.MULTILINE) == [("1", "0.5"), ("2", "3")]
    assert answer.returncode == 1
    listed, last = answer.stderr.splitlines()[-2:]
    assert listed.startswith("job 1 (model.lambda_=0.5): UserError: model.lambda_=0.5: with alpha=0 ")
    assert last.startswith("error: 1 of 3 jobs didn't finish")
    assert [outcome(sweep / name).status for name in "012"] == ["finished", "failed", "finished"]
    assert (sweep / "0" / "summary.json").read_bytes() == first

    checkpoint = f"ckpt_path: {sweep / '2' / 'checkpoints' / 'last.ckpt'}"
    assert checkpoint in (sweep / "2" / "config.yaml").read_text()
    with (sweep / "2" / "metrics.csv").open() as file:
        assert [int(row["epoch"]) for row in csv.DictReader(file)] == list(range(1, EPOCHS + 1))
    train(composed(*settings, "seed=1", "model.lambda_=3", run_dir=tmp_path / "whole"))
    whole, went_on = (
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for folder in (tmp_path / "whole", sweep / "2")
    )
    assert all(torch.equal(whole[name], went_on[name]) for name in whole)
