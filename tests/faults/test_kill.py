"""Runs that are killed, and go on to the very end of a run that never was."""

import csv
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import PROJECT, SMALL

EPOCHS = 4
COMMON = [
    *(entry for entry in SMALL if not entry.startswith("data.validation")),
    "data.validation_size=100",
    "callbacks=checkpoint",
    f"trainer.max_epochs={EPOCHS}",
    "trainer.limit_test_batches=2",
    "metrics.mmd.samples=100",
    "metrics.mmd.prior_samples=100",
]
MODELS = {
    "vae": ["model=vae", "data.binarization=stochastic"],
    "mmd": ["model=infovae", "divergence=mmd"],
    "stein": ["model=stein_vae"],
    "adversarial": ["model=aae"],
}
OF_TIME_AND_PLACE = {"seconds", "train/images_per_second", "dirpath", "best_k_models", "config"}
"""What two equal runs in two folders don't share."""


def work(jobs: list[dict[str, Any]], timeout: float = 300) -> None:
    paths = os.pathsep.join([str(PROJECT / "src"), str(PROJECT / "tests")])
    answer = subprocess.run(
        [sys.executable, str(PROJECT / "tests" / "faults" / "worker.py")],
        input=json.dumps(jobs),
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every number, text and tensor in nested containers, with where it is."""
    if isinstance(value, dict | list | tuple):
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        for name, entry in entries:
            if name not in OF_TIME_AND_PLACE and not str(name).endswith("_path"):
                yield from leaves(entry, f"{path}/{name}")
    else:
        yield path, value


def differences(one: Any, other: Any) -> list[str]:
    """Where two checkpoints aren't the same to the last bit."""
    ones, others = dict(leaves(one)), dict(leaves(other))
    shared = ones.keys() & others.keys()
    return sorted((ones.keys() ^ others.keys()) | {path for path in shared if not same(ones[path], others[path])})


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(bits(one), bits(other))
    return bool(one == other) or (one != one and other != other)


def bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.flatten().contiguous().view(torch.uint8)


def metrics_of(folder: Path) -> list[dict[str, str]]:
    """The metrics file to the letter, without the two columns that measure time."""
    with (folder / "metrics.csv").open() as file:
        return [{n: v for n, v in row.items() if n not in OF_TIME_AND_PLACE} for row in csv.DictReader(file)]


def assert_same_end(whole: Path, killed: Path, epochs: int = EPOCHS) -> None:
    for name in ("last.ckpt", "previous.ckpt", "best.ckpt"):
        one, other = (torch.load(folder / "checkpoints" / name, weights_only=True) for folder in (whole, killed))
        assert {"state_dict", "optimizer_states", "callbacks", "global_step"} <= one.keys()
        assert "RandomStreams" in one["callbacks"]
        assert differences(one, other) == []
    assert len(metrics_of(whole)) == epochs
    assert metrics_of(whole) == metrics_of(killed)
    one, other = (json.loads((folder / "summary.json").read_text()) for folder in (whole, killed))
    assert one["status"] == other["status"] == "finished"
    assert dict(leaves(one["metrics"])) == dict(leaves(other["metrics"]))
    assert not list(killed.rglob("*.part"))


def test_the_comparison_sees_a_bit(tmp_path: Path) -> None:
    one = {"a": [torch.tensor([0.0]), {"b": float("nan")}], "seconds": 1}
    assert differences(one, {"a": [torch.tensor([0.0]), {"b": float("nan")}], "seconds": 2}) == []
    assert differences(one, {"a": [torch.tensor([-0.0]), {"b": float("nan")}]}) == ["/a/0"]
    assert differences(one, {"a": [torch.tensor([0.0])]}) == ["/a/1/b"]


def test_a_killed_run_ends_as_one_that_never_was(tmp_path: Path) -> None:
    """Each model with moments of its own, and with damage to what was written last."""
    faults = {
        "vae": ["step:2", "step:7"],  # before there is any checkpoint; in the middle of the second epoch
        "mmd": ["call:0.5", "validation:2"],
        "stein": ["write:5", "term:6"],  # two calls for each checkpoint
        "adversarial": ["step:12", "flip"],
    }
    jobs = [
        {"folder": str(tmp_path / name / model), "overrides": [*COMMON, *MODELS[model]], "faults": met}
        for model in MODELS
        for name, met in (("whole", []), ("killed", faults[model]))
    ]
    # The second loss is no higher than the first: over after two epochs, and killed in the test that follows.
    stopped = ["callbacks=[checkpoint,early_stopping]", "callbacks.early_stopping.mode=max"]
    stopped += ["callbacks.early_stopping.patience=1"]
    jobs += [
        {"folder": str(tmp_path / name / "stopped"), "overrides": [*COMMON, *MODELS["vae"], *stopped], "faults": met}
        for name, met in (("whole", []), ("killed", ["test:1"]))
    ]
    work(jobs)
    assert_same_end(tmp_path / "whole" / "stopped", tmp_path / "killed" / "stopped", epochs=2)
    for model in MODELS:
        assert_same_end(tmp_path / "whole" / model, tmp_path / "killed" / model)
    log = (tmp_path / "killed" / "adversarial" / "attempts.log").read_text()
    assert "last.ckpt is damaged and was set aside" in log
    assert log.count(f"resuming from {tmp_path / 'killed' / 'adversarial' / 'checkpoints'}") == 1


def moments(model: str) -> list[list[str]]:
    """20 random moments over a whole run, each of them a run of its own, and three met by one run."""
    draw = random.Random(f"moments of {model}")
    last = {"step": 4 * EPOCHS, "validation": EPOCHS, "write": 2 * EPOCHS, "rename": 5 + 2 * EPOCHS}
    kinds = [*("step", "validation", "write", "rename") * 4, *["call"] * 4]
    once = [
        [f"call:{draw.uniform(0.05, 0.95):.2f}" if kind == "call" else f"{kind}:{draw.randint(1, last[kind])}"]
        for kind in kinds
    ]
    return [*once, ["step:6", "cut", "rename:4", "validation:1"]]


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_twenty_kills(tmp_path: Path, model: str) -> None:
    jobs = [
        {"folder": str(tmp_path / name), "overrides": [*COMMON, *MODELS[model]], "faults": faults}
        for name, faults in [("whole", []), *((str(number), met) for number, met in enumerate(moments(model)))]
    ]
    work(jobs, timeout=1200)
    for job in jobs[1:]:
        assert_same_end(tmp_path / "whole", Path(job["folder"]))
