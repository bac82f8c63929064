"""Runs whose weights move: what training, validation, checkpoints, early stopping and a compiler make of them."""

import csv
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import PROJECT, TINY, Compose
from torch.distributions import Independent, Normal

from infovae.codes import Codes
from infovae.dashboard.run import read_run
from infovae.data.loader import Batch
from infovae.divergences.divergence import NOISE_DRAWS, noise_level
from infovae.divergences.mmd import MMD
from infovae.errors import ArgumentError, UserError
from infovae.evaluation.load import load
from infovae.objective import Objective, Weights, weighted_loss
from infovae.priors.standard_normal import StandardNormal
from infovae.reproduction.cells import Cell
from infovae.runs.checkpoints import read_checkpoint
from infovae.schedules.hold_rate import HoldRate
from infovae.schedules.linear import Linear
from infovae.terms import Terms
from infovae.training.assemble import build_data, build_module
from infovae.training.run import train

LINEAR = ["schedule@model.lambda_=linear", "model.lambda_.start=1", "model.lambda_.end=9", "model.lambda_.steps=8"]
"""Two steps an epoch: it ends with epoch 4."""


def rows_of(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def weights_of(run: Path) -> dict[str, Any]:
    weights: dict[str, Any] = read_checkpoint(run / "checkpoints" / "last.ckpt", "")["state_dict"]
    return weights


def test_training_weighs_by_the_moving_weights_and_validation_by_the_last(composed: Compose, tmp_path: Path) -> None:
    train(composed(*TINY, *LINEAR, "divergence.estimator=v", "trainer.max_epochs=5", run_dir=tmp_path))
    rows = rows_of(tmp_path)
    assert [float(row["train/lambda_"]) for row in rows] == [2, 4, 6, 8, 9]  # of the epoch's second step
    assert "train/alpha" not in rows[0]
    for row in rows:
        for split, weight in (("train", None), ("validation", 8)):
            loss, reconstruction, rate, divergence = (
                float(row[f"{split}/{name}"]) for name in ("loss", "reconstruction", "rate", "divergence")
            )
            if weight:
                assert math.isclose(loss, reconstruction + rate + weight * divergence, rel_tol=1e-5)
            elif (last := float(row["train/lambda_"])) < 9:  # the mean of two steps, of last - 1 and last
                low, high = (reconstruction + rate + w * divergence for w in (last - 2, last - 1))
                assert low < loss < high
    assert not any(name.startswith("objective.") for name in weights_of(tmp_path))
    assert load(tmp_path).module.objective.evaluation_weights() == Weights(1, 8)
    assert Cell(tmp_path).objective == "InfoVAE (α = 0, λ = linear 1→9)"
    shown = read_run(tmp_path, 10, 1.0).config
    assert (shown["model.lambda_"], shown["model.lambda_.steps"]) == ("linear 1→9", 8)


def test_a_run_whose_weights_stay_has_the_files_it_had(composed: Compose, tmp_path: Path) -> None:
    train(composed(*TINY, "trainer.max_epochs=1", run_dir=tmp_path))
    assert not {"train/alpha", "train/lambda_"} & set(rows_of(tmp_path)[0])
    assert not any(name.startswith("objective") for name in weights_of(tmp_path))


@pytest.mark.parametrize(
    "moving",
    [
        [*LINEAR[:3], "model.lambda_.steps=7"],
        ["schedule@model.lambda_=hold_divergence", "model.lambda_.speed=0.1"],
        ["schedule@model.alpha=hold_rate", "model.alpha.integral=0.1"],
        ["model=beta_vae", "schedule@model.beta=hold_reconstruction", "model.beta.limit=40"],
    ],
    ids=lambda moving: moving[-2],
)
def test_a_resumed_run_has_the_weights_of_one_that_never_stopped(
    composed: Compose, tmp_path: Path, moving: list[str]
) -> None:
    train(composed(*TINY, *moving, "trainer.max_epochs=6", run_dir=tmp_path / "whole"))
    train(composed(*TINY, *moving, "trainer.max_epochs=4", run_dir=tmp_path / "cut"))
    train(composed(*TINY, *moving, "trainer.max_epochs=6", "resume=auto", run_dir=tmp_path / "cut"))
    whole, resumed = weights_of(tmp_path / "whole"), weights_of(tmp_path / "cut")
    assert whole.keys() == resumed.keys()
    for name, weight in whole.items():
        assert torch.equal(weight, resumed[name]), name
    moved = [float(value) for name, value in rows_of(tmp_path / "cut")[-1].items() if name == f"train/{_name(moving)}"]
    assert moved == [float(rows_of(tmp_path / "whole")[-1][f"train/{_name(moving)}"])]


def _name(moving: list[str]) -> str:
    return next(entry for entry in moving if "@" in entry).partition("=")[0].rpartition(".")[2]


def test_early_stopping_waits_for_the_end_of_a_schedule(composed: Compose, tmp_path: Path) -> None:
    """Of a falling loss mode=max takes the first epoch for the best, and stops after the second that it looks at."""
    stopping = [*TINY, "callbacks=[checkpoint,early_stopping]", "callbacks.early_stopping.mode=max"]
    stopping += ["callbacks.early_stopping.patience=1", "trainer.max_epochs=8"]
    for name, settings, last in (("constant", ["model.lambda_=9"], 2), ("moving", LINEAR, 5)):
        train(composed(*stopping, *settings, run_dir=tmp_path / name))
        assert [row["epoch"] for row in rows_of(tmp_path / name)] == [str(n + 1) for n in range(last)]


def test_a_schedule_counts_the_optimiser_s_steps(composed: Compose, tmp_path: Path) -> None:
    train(
        composed(*TINY, *LINEAR, "trainer.accumulate_grad_batches=2", "trainer.max_epochs=8", run_dir=tmp_path)
    )  # a step an epoch
    assert [float(row["train/lambda_"]) for row in rows_of(tmp_path)] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_controller_hears_of_all_batches_of_a_step(composed: Compose, tmp_path: Path) -> None:
    """Its first step weighs by the start, which is what the first epoch's row says; batches together are one batch."""
    held = ["model=beta_vae", "schedule@model.beta=hold_rate", "model.beta.target=3", "trainer.max_epochs=2"]
    held += ["optimizer=sgd", "optimizer.lr=0", "trainer.precision=32-true"]  # the rate stays as it is
    train(composed(*TINY, *held, "trainer.accumulate_grad_batches=2", run_dir=tmp_path / "together"))
    train(composed(*TINY, *held, "data.batch_size=200", run_dir=tmp_path / "one"))
    together, one = ([float(row["train/beta"]) for row in rows_of(tmp_path / run)] for run in ("together", "one"))
    assert together[0] == one[0] == 1
    assert math.isclose(together[1], one[1], rel_tol=1e-6)
    assert one[1] != 1


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["schedule@model.lambda_=hold_divergence", "posterior=normalized_gaussian"],
            r"model.lambda_.limit=noise: normalised codes have less noise than draws of the prior",
        ),
        (LINEAR, r"model.lambda_=Linear: it ends after 8 steps, and the run after 4; accepted: at most 4 steps, or"),
        (
            ["schedule@model.lambda_=linear", "model.lambda_.start=0", "model.lambda_.steps=4"],
            r"model.lambda_=0 at step 0: with alpha=0 the divergence would be rewarded .* lambda_ >= 1",
        ),
        (["schedule@model.lambda_=linear", "model.lambda_.steps=-4"], r"model.lambda_.steps=-4: too small"),
        (["schedule@model.lambda_=linear", "model.lambda_=3"], r"model.lambda_=3: takes the place of schedule@model.l"),
        (
            ["schedule@model.lambda_=hold_rate"],
            r"model.lambda_.low=0: with alpha=0 the divergence .* values of at least 1",
        ),
        (
            ["model=mmd_vae", "posterior=deterministic", "schedule@model.lambda_=hold_rate"],
            r"model.lambda_=HoldRate: a Deterministic posterior has an infinite rate",
        ),
        (
            ["model=beta_vae", "posterior=deterministic", "schedule@model.beta=hold_rate"],
            r"model.beta=HoldRate: a Deterministic posterior has an infinite rate",
        ),
        (
            ["schedule@model.lambda_=hold_divergence", "divergence=adversarial"],
            r"model.lambda_.limit=noise: the noise of divergence Adversarial can't be measured .* a number",
        ),
        (
            ["model=beta_vae", "schedule@model.beta=hold_divergence"],
            r"model.beta=HoldDivergence: no step estimates the divergence, whose weight is 0",
        ),
        (["model.free_bits=-1"], r"model.free_bits=-1: invalid; accepted: null, and finite values of at least 0"),
        (["model.alpha=1", "model.free_bits=1"], r"model.free_bits=1: the rate has weight 0, so all of it is free"),
        (
            ["model.free_bits=1", "posterior=normalized_gaussian"],
            r"model.free_bits_per=dimension: under this posterior and prior .*; accepted: whole",
        ),
    ],
)
def test_refused_before_training(composed: Compose, tmp_path: Path, overrides: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        train(composed(*TINY, *overrides, "trainer.max_epochs=2", run_dir=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_weights_are_tensors_where_they_move_and_left_out_where_they_are_never_more_than_0() -> None:
    objective = Objective(Linear(1, 0, 4), Linear(0, 1, 4))  # the warm-up of a VAE, as a point that moves
    assert not objective.weighs_divergence
    objective.move(3)
    rate, divergence = objective.weights()
    assert isinstance(rate, torch.Tensor)
    assert float(rate) == 0.75
    assert divergence == 0
    assert isinstance(divergence, float)
    nan = torch.tensor(torch.nan)
    assert float(weighted_loss(Terms(torch.tensor(3.0), torch.tensor(2.0), nan), objective.weights())) == 4.5
    assert objective.evaluation_weights() == Weights(1, 0)
    assert not Objective(Linear(1, 1, 4), 3.0).weighs_rate


def test_a_controller_in_the_place_of_alpha_sets_the_weight_of_the_rate() -> None:
    objective = Objective(HoldRate(10, start=0.25, evaluated_at=0.5), 200.0)
    assert [float(value) for value in objective.point().values()] == [0.75, 200]
    assert float(objective.weights().rate) == 0.25
    assert objective.evaluation_weights() == Weights(0.5, 199.5)
    with pytest.raises(ArgumentError, match=r"^alpha.high=100: with alpha=-99 .* at most 50, which is lambda_$"):
        Objective(HoldRate(10), 50.0)
    with pytest.raises(
        ArgumentError, match=r"^alpha.high=100: with alpha=-99 .* at most 3, which is lambda_ at step 0$"
    ):
        Objective(HoldRate(10), Linear(3, 200, 4))


@pytest.mark.parametrize("per", ["dimension", "whole"])
def test_free_bits_by_hand(per: Any) -> None:
    mean = torch.tensor([[0.0, 1.0, 2.0], [0.2, 1.0, -2.0]], dtype=torch.float64).requires_grad_()
    posterior = Independent(Normal(mean, torch.ones_like(mean)), 1)
    prior = Independent(Normal(torch.zeros(3).double(), torch.ones(3).double()), 1)
    by_dimension = 0.5 * mean.square().mean(dim=0)  # 0.01, 0.5, 2: in all 2.51
    rates = 0.5 * mean.square().sum(dim=1)
    for free, dimensions in ((0.1, [1, 2]), (1.0, [2]), (3.0, [])):
        charged = Objective(0.0, 2.0, free, per).charged_rate(posterior, prior, rates, 2)
        if per == "whole":
            dimensions = [] if free > 2.51 else [0, 1, 2]
            expected = max(free, 2.51)
        else:
            expected = sum(max(free, value) for value in by_dimension.tolist())
        assert charged.item() == pytest.approx(expected)
        (gradient,) = torch.autograd.grad(charged, mean, retain_graph=True, allow_unused=True)
        wanted = torch.zeros_like(mean)
        wanted[:, dimensions] = mean.detach()[:, dimensions] / 2
        torch.testing.assert_close(gradient, wanted)


def test_validation_charges_the_whole_rate_whatever_is_free(composed: Compose, tmp_path: Path) -> None:
    train(composed(*TINY, "model=vae", "model.free_bits=5", "trainer.max_epochs=1", run_dir=tmp_path))
    (row,) = rows_of(tmp_path)
    by_split = {
        split: [float(row[f"{split}/{name}"]) for name in ("loss", "reconstruction", "rate")]
        for split in ("train", "validation")
    }
    loss, reconstruction, rate = by_split["validation"]
    assert loss == pytest.approx(reconstruction + rate, rel=1e-6)
    loss, reconstruction, rate = by_split["train"]
    assert rate < 5
    assert loss == pytest.approx(reconstruction + 2 * 5, rel=1e-6)


def test_the_noise_level_is_that_of_batches_of_the_prior() -> None:
    """A deviation from 200 draws has an error of 1 / sqrt(2 * 200) = 5 %, one from 2,000 draws of 1.6 %."""
    divergence, prior = MMD(), StandardNormal(3)
    before = torch.get_rng_state()
    found = float(noise_level(divergence, prior, 50, torch.device("cpu")))
    assert torch.equal(torch.get_rng_state(), before)
    draws = [divergence(Codes(z, z, torch.zeros_like(z), 50), prior) for z in torch.randn(2000, 50, 3)]
    deviation, mean = map(float, torch.std_mean(torch.stack(draws)))
    error = deviation * (math.sqrt(1 / NOISE_DRAWS) + 2 * math.sqrt(1 / (2 * NOISE_DRAWS)))  # MMD^2's tail is heavy
    assert found == pytest.approx(mean + deviation, abs=4 * error)
    assert found > 0


COUNT_GRAPHS = """
import sys
import torch
from hydra import compose, initialize_config_dir
from infovae.data.loader import Batch
from infovae.terms import Terms
from infovae.training.assemble import build_data, build_module
with initialize_config_dir(sys.argv[1], version_base=None):
    cfg = compose("config", [*sys.argv[2:], "name=graphs", "run_dir=nowhere"])
module = build_module(cfg, build_data(cfg))
module.compile_training()
batch = Batch(torch.rand(100, 1, 8, 8), torch.zeros(100, dtype=torch.int64), 100)
seen = set()
for step in range(5):
    module.objective.move(step)
    module.step(batch, 400)
    _, reconstruction, rate, divergence, *_ = module.step_terms
    module.objective.after_step(Terms(reconstruction, rate, divergence))
    seen.add(tuple(map(float, module.objective.weights())))
print(len(seen), torch._dynamo.utils.counters["stats"]["unique_graphs"])
"""


@pytest.mark.slow
@pytest.mark.parametrize("moving", [LINEAR[:1], ["schedule@model.alpha=hold_rate", "schedule@model.lambda_=cosine"]])
def test_a_weight_that_moves_compiles_no_second_graph(moving: list[str]) -> None:
    """A number would: torch builds it into the graph, and compiles the step again when it changes."""
    overrides = [*TINY, *moving, "model.lambda_.start=200", "model.lambda_.end=900"]
    command = [sys.executable, "-c", COUNT_GRAPHS, str(PROJECT / "conf"), *overrides]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["5 1"], done.stderr


def test_a_skipped_step_moves_no_controller(composed: Compose) -> None:
    module = build_module(cfg := composed(*TINY, "schedule@model.lambda_=hold_divergence"), build_data(cfg))
    module.step_terms = None
    before = {name: value.clone() for name, value in module.objective.state_dict().items()}
    module.on_train_batch_end(None, Batch(torch.zeros(1, 1, 8, 8), torch.zeros(1, dtype=torch.int64), 1), 0)
    for name, value in module.objective.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0, equal_nan=True)
