"""Numbers that aren't: the step that meets one stops the run or is left out, and what is kept is sound."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import SMALL, Command, Compose, composing

from infovae.data.loader import Batch, Held
from infovae.divergences.mmd import MMD
from infovae.errors import UserError
from infovae.likelihoods.bernoulli import Bernoulli
from infovae.objective import rate
from infovae.training import run as training
from infovae.training.callbacks import finite_steps
from infovae.training.run import train

STEPS = 4
"""Of an epoch."""
BAD_STEP = 6
QUICK = [
    *SMALL,
    "callbacks=checkpoint",
    "metrics=[log_det_covariance]",
    "trainer.max_epochs=3",
    "trainer.limit_val_batches=1",
    "trainer.limit_test_batches=1",
]


class AtStep:
    """Counts training steps; true in a single one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, bad: int = BAD_STEP, last: int | None = None) -> None:
        self.step, self.bad, self.last = 0, bad, last or bad
        self.training = False
        original = training.InfoVAE.training_step

        def counting(module: training.InfoVAE, *arguments: Any) -> torch.Tensor:
            self.step += 1
            self.training = True
            try:
                return original(module, *arguments)
            finally:
                self.training = False

        monkeypatch.setattr(training.InfoVAE, "training_step", counting)

    def __bool__(self) -> bool:
        return self.training and self.bad <= self.step <= self.last


def break_term(monkeypatch: pytest.MonkeyPatch, now: AtStep, term: str, value: float) -> None:
    """Let a term of the objective, or a gradient alone, become what it shouldn't in the step."""

    def broken(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        return lambda *arguments: function(*arguments) * value if now else function(*arguments)

    if term == "rate":
        monkeypatch.setattr("infovae.module.rate_of", broken(rate))
    elif term == "reconstruction":
        original = Bernoulli.forward

        def forward(likelihood: Bernoulli, parameters: torch.Tensor) -> Any:
            distribution = original(likelihood, parameters)
            distribution.log_prob = broken(distribution.log_prob)  # type: ignore[method-assign]
            return distribution

        monkeypatch.setattr(Bernoulli, "forward", forward)
    elif term == "divergence":
        monkeypatch.setattr(MMD, "forward", broken(MMD.forward))
    else:
        build = training.build_module

        def with_hook(*arguments: Any) -> Any:
            module = build(*arguments)
            weight = next(module.encoder.parameters())
            weight.register_hook(lambda gradient: gradient * value if now.bad <= now.step <= now.last else gradient)
            return module

        monkeypatch.setattr(training, "build_module", with_hook)


def checkpoint_of(run_dir: Path) -> dict[str, Any]:
    checkpoint: dict[str, Any] = torch.load(run_dir / "checkpoints" / "last.ckpt", weights_only=True)
    return checkpoint


def rows_of(run_dir: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = checkpoint_of(run_dir)["callbacks"]["MetricsFile"]["rows"]
    return rows


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """The weights after one epoch in which nothing broke."""
    folder = tmp_path_factory.mktemp("healthy")
    with composing() as compose:
        train(compose(*QUICK, "trainer.max_epochs=1", run_dir=folder))
    weights: dict[str, torch.Tensor] = checkpoint_of(folder)["state_dict"]
    return weights


@pytest.mark.parametrize(
    ("term", "value", "late"),
    [
        ("reconstruction", math.nan, False),
        ("rate", math.inf, False),
        ("divergence", math.nan, False),
        ("gradient of encoder", math.inf, False),
        ("gradient of encoder", math.nan, False),
        ("reconstruction", math.inf, True),  # a step late, as on a GPU
        ("gradient of encoder", math.nan, True),
    ],
)
def test_the_run_stops_at_the_step_and_names_what_broke_first(
    composed: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    healthy: dict[str, torch.Tensor],
    term: str,
    value: float,
    late: bool,
) -> None:
    now = AtStep(monkeypatch)
    break_term(monkeypatch, now, term, value)
    if late:
        monkeypatch.setattr(finite_steps, "answers_at_once", lambda device: False)
    with pytest.raises(UserError, match=rf"^step 6 \(epoch 2, batch 2\): {term} is -?(nan|inf)") as refusal:
        train(composed(*QUICK, run_dir=tmp_path))
    assert "\n" not in str(refusal.value)
    assert f"the last good checkpoint is {tmp_path / 'checkpoints' / 'last.ckpt'}" in str(refusal.value)
    assert now.step == BAD_STEP + late
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["status"] == "failed"
    assert "step 6" in summary["error"]

    diagnosis = json.loads((tmp_path / "diagnosis.json").read_text())
    assert (diagnosis["epoch"], diagnosis["batch"], diagnosis["step"]) == (2, 2, BAD_STEP)
    assert diagnosis["broke_first"] == term
    assert len(set(diagnosis["training_examples"])) == 100
    assert set(diagnosis["gradient_norms"]) == {"encoder", "decoder"}
    sound = {"reconstruction", "rate", "divergence", "loss"} - {term} - (set() if "gradient" in term else {"loss"})
    assert all(math.isfinite(diagnosis["terms"][name]) for name in sound)

    kept = checkpoint_of(tmp_path)
    assert kept["global_step"] == STEPS
    assert all(torch.equal(kept["state_dict"][name], healthy[name]) for name in healthy)


def test_a_broken_input_is_found_by_its_example(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Held.__getitem__

    def broken(images: Held, positions: torch.Tensor) -> Batch:
        pixels = original(images, positions)
        if len(images) == 400:  # the training set
            pixels.x[positions == 7, :, 3, 3] = math.nan
        return pixels

    monkeypatch.setattr(Held, "__getitem__", broken)
    with pytest.raises(UserError, match=r"^step \d \(epoch 1, batch \d\): input isn't finite.*; no checkpoint"):
        train(composed(*QUICK, run_dir=tmp_path))
    diagnosis = json.loads((tmp_path / "diagnosis.json").read_text())
    (row,) = diagnosis["rows_with_broken_images"]
    assert diagnosis["training_examples"][row] == 7
    assert not list(tmp_path.rglob("*.ckpt*"))


@pytest.mark.parametrize("model", [["model=infovae"], ["model=aae"]], ids=["mmd", "adversarial"])
def test_a_step_left_out_leaves_no_trace_but_its_count(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: list[str]
) -> None:
    now = AtStep(monkeypatch)
    break_term(monkeypatch, now, "reconstruction", math.nan)
    settings = [*QUICK, *model, "on_nan=skip"]
    train(composed(*settings, "trainer.max_epochs=2", run_dir=tmp_path))
    kept = checkpoint_of(tmp_path)
    (optimizer,) = kept["optimizer_states"]
    assert {int(state["step"]) for state in optimizer["state"].values()} == {2 * STEPS - 1}
    assert all(bool(value.isfinite().all()) for value in kept["state_dict"].values() if torch.is_tensor(value))
    if "model=aae" in model:
        critic = kept["state_dict"]["divergence._extra_state"]["optimizer"]["state"]
        assert {int(state["step"]) for state in critic.values()} == {2 * STEPS - 1}
    assert [row["train/skipped_steps"] for row in rows_of(tmp_path)] == [0, 1]
    assert all(math.isfinite(row["train/loss"]) for row in rows_of(tmp_path))
    assert json.loads((tmp_path / "diagnosis.json").read_text())["skipped_steps"] == 1

    train(composed(*settings, "resume=auto", run_dir=tmp_path))
    assert [row["train/skipped_steps"] for row in rows_of(tmp_path)] == [0, 1, 1]


def test_the_first_step_left_out_leaves_the_noise_level(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_term(monkeypatch, AtStep(monkeypatch, bad=1), "divergence", math.nan)
    train(composed(*QUICK, "schedule@model.lambda_=hold_divergence", "on_nan=skip", run_dir=tmp_path))
    state = checkpoint_of(tmp_path)["state_dict"]
    assert all(bool(state[f"objective.lambda_.{name}"].isfinite()) for name in ("value", "average", "bound"))
    assert [row["train/skipped_steps"] for row in rows_of(tmp_path)] == [1, 1, 1]
    assert json.loads((tmp_path / "diagnosis.json").read_text())["terms"]["lambda_"] == 100


def test_a_run_that_can_only_leave_steps_out_stops(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = AtStep(monkeypatch, last=1000)
    break_term(monkeypatch, now, "reconstruction", math.inf)
    with pytest.raises(UserError, match=rf"^step 9 .*reconstruction is inf, as in {STEPS} steps in a row"):
        train(composed(*QUICK, "on_nan=skip", run_dir=tmp_path))
    assert all(bool(value.isfinite().all()) for value in checkpoint_of(tmp_path)["state_dict"].values())


def test_weights_that_overflow_are_not_saved(composed: Compose, tmp_path: Path) -> None:
    """The gradients are finite and the step that they make isn't: the last one of an epoch, before anyone looked."""
    overrides = ["optimizer.lr=1e39", "trainer.limit_train_batches=1", "model=vae"]
    with pytest.raises(UserError, match="the weights of encoder are no longer finite after step 1, and weren't saved"):
        train(composed(*QUICK, *overrides, run_dir=tmp_path))
    assert not list(tmp_path.rglob("*.ckpt*"))


def test_a_critic_that_diverges_is_named_in_one_line(command: Command, tmp_path: Path) -> None:
    answer = command("train", *QUICK, "model=aae", "divergence.optimizer.lr=1e39", "hydra.run.dir=run")
    assert answer.returncode == 1
    (line,) = [line for line in answer.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: step 1 (epoch 1, batch 1): weights of divergence aren't finite; ")
    assert "Traceback" not in answer.stderr
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["status"] == "failed"


@pytest.mark.parametrize(
    "overrides",
    [
        ["data.train_size=20", "latent_dim=30", "model=vae"],  # fewer codes than dimensions
        ["model=beta_vae", "model.beta=1e3", "latent_dim=2"],  # a code that tells nothing
        ["model=autoencoder", "optimizer.weight_decay=1e4", "optimizer.lr=1e-4", "latent_dim=2"],  # a single point
    ],
    ids=["singular", "collapsed", "point"],
)
def test_what_has_no_volume_is_shown(composed: Compose, tmp_path: Path, overrides: list[str]) -> None:
    every = [
        "metrics=[log_det_covariance,mmd,covariance_spectrum,active_units,aggregate_information]",
        "pictures=[samples,covariance_spectrum,latent_scatter]", "callbacks=[checkpoint,drawing]",
    ]  # fmt: skip
    metrics = train(composed(*QUICK, *every, *overrides, run_dir=tmp_path))
    assert metrics["test/loss"] > 0
    assert (tmp_path / "figures" / "samples.png").exists()
    assert not math.isfinite(metrics["test/log_det_covariance"]) or metrics["test/log_det_covariance"] < 0
