"""Schedules of the learning rate: against torch's own, and in runs that are cut, lengthened and changed."""

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import pytorch_lightning as pl
import torch
from conftest import TINY, Compose
from faults.test_kill import differences
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
)

from infovae.errors import UserError
from infovae.module import InfoVAE
from infovae.runs.changes import ChangedError
from infovae.schedulers.cosine import CosineWithWarmup
from infovae.schedulers.exponential import Exponential
from infovae.schedulers.multi_step import MultiStep
from infovae.schedulers.one_cycle import OneCycle
from infovae.schedulers.plateau import Plateau
from infovae.schedulers.scheduler import Progress, Scheduler
from infovae.training.callbacks.metrics_file import MetricsFile
from infovae.training.run import train

TOTAL = 40
RUN = [*TINY, "optimizer.lr=0.01"]


def adam() -> torch.optim.Optimizer:
    return torch.optim.Adam([torch.zeros(1)], lr=1.0)


def warmed_up(optimizer: torch.optim.Optimizer) -> LRScheduler:
    """Four steps of warm-up, from 1/5 to 4/5 of the rate, then the wave."""
    rise = LinearLR(optimizer, 1 / 5, 1.0, total_iters=4)
    return SequentialLR(optimizer, [rise, CosineAnnealingLR(optimizer, TOTAL - 4, eta_min=0.1)], milestones=[4])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (CosineWithWarmup(warmup=0.1, final=0.1), warmed_up),
        (CosineWithWarmup(warmup=0.0), lambda optimizer: CosineAnnealingLR(optimizer, TOTAL)),
        (OneCycle(), lambda optimizer: OneCycleLR(optimizer, 1.0, TOTAL)),
        (OneCycle(rise=0.0), lambda optimizer: OneCycleLR(optimizer, 1.0, TOTAL, pct_start=0.0)),
        (OneCycle(rise=0.9), lambda optimizer: OneCycleLR(optimizer, 1.0, TOTAL, pct_start=0.9)),
        (Exponential(gamma=0.9), lambda optimizer: ExponentialLR(optimizer, 0.9)),
        (MultiStep([0.25, 0.5]), lambda optimizer: MultiStepLR(optimizer, [10, 20])),
    ],
)
@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step")
def test_rates_are_those_of_torch(ours: Scheduler, theirs: Callable[[torch.optim.Optimizer], LRScheduler]) -> None:
    optimizer = adam()
    scheduler = theirs(optimizer)
    for step in range(TOTAL):
        assert ours.factor(Progress(step, TOTAL)) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-9), step
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize(("mode", "final"), [("min", 0.0), ("max", 0.05)])
def test_drops_on_a_plateau_are_those_of_torch(mode: Any, final: float) -> None:
    optimizer = adam()
    theirs = ReduceLROnPlateau(optimizer, mode, 0.5, patience=2, threshold=0.1, threshold_mode="abs", min_lr=final)
    ours = Plateau("train/loss", mode, gamma=0.5, patience=2, min_delta=0.1, final=final)
    values = torch.randn(60, generator=torch.Generator().manual_seed(0)).tolist()
    values[5] = math.nan
    rates = []
    for epoch, value in enumerate(values):
        theirs.step(value)
        rates.append(ours.factor(Progress(epoch + 1, 60, [{"train/loss": seen} for seen in values[: epoch + 1]])))
        assert rates[-1] == pytest.approx(optimizer.param_groups[0]["lr"]), epoch
    assert len(set(rates)) > 3


def test_epochs_without_a_validation_do_not_count() -> None:
    rows = [{"validation/loss": 1.0}, {"train/loss": 1.0}, {"train/loss": 1.0}, {"validation/loss": 1.0}]
    assert Plateau(patience=0).factor(Progress(3, 9, rows[:3])) == 1
    assert Plateau(patience=0).factor(Progress(4, 9, rows)) == 0.5


@pytest.mark.parametrize(
    "scheduler",
    [
        CosineWithWarmup(),
        CosineWithWarmup(warmup=1.0),
        OneCycle(),
        OneCycle(rise=1.0),
        OneCycle(interval="epoch"),
        MultiStep(),
    ],
)
@pytest.mark.parametrize("total", [1, 2, 3])
def test_short_runs_learn(scheduler: Scheduler, total: int) -> None:
    factors = [scheduler.factor(Progress(step, total)) for step in range(total)]
    assert all(0 < factor <= 1 for factor in factors)
    assert max(factors) > 0.4
    assert 0 <= scheduler.factor(Progress(total, total)) <= 1


class Halves(Scheduler):
    """Half the rate after each epoch, without any setting."""

    def factor(self, progress: Progress) -> float:
        return 0.5**progress.done


def test_a_schedule_needs_its_factor_alone(composed: Compose, tmp_path: Path) -> None:
    """It moves from epoch to epoch."""
    settings = [f"+scheduler._target_={__name__}.Halves", "optimizer.lr=0.01", "trainer.max_epochs=3"]
    train(composed(*TINY, *settings, run_dir=tmp_path))
    assert column(tmp_path) == pytest.approx([0.01, 0.005, 0.0025])


class Rates(pl.Callback):
    """Notes the rate that each step is taken with."""

    seen: ClassVar[list[list[float]]] = []

    def on_before_optimizer_step(self, trainer: pl.Trainer, pl_module: Any, optimizer: torch.optim.Optimizer) -> None:
        self.seen.append([group["lr"] for group in optimizer.param_groups])


class BringsItsOwn(InfoVAE):
    def configure_optimizers(self) -> Any:
        optimizer = self.optimizer(self.parameters())
        return {"optimizer": optimizer, "lr_scheduler": ExponentialLR(optimizer, 0.9)}


WATCHED = f"+callbacks.rates._target_={__name__}.Rates"


def column(run: Path, name: str = "train/learning_rate") -> list[float]:
    with (run / "metrics.csv").open() as file:
        return [float(row[name]) for row in csv.DictReader(file)]


def checkpoint_of(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    return content


def interrupt_at(epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """End runs when an epoch begins, counted from 0."""
    begin = MetricsFile.on_train_epoch_start

    def start(self: MetricsFile, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        begin(self, trainer, pl_module)
        if trainer.current_epoch == epoch:
            raise KeyboardInterrupt

    monkeypatch.setattr(MetricsFile, "on_train_epoch_start", start)


def test_a_run_takes_each_step_with_its_rate_and_finds_its_length(composed: Compose, tmp_path: Path) -> None:
    Rates.seen.clear()
    groups = ["optimizer=adamw", "+parameter_groups.encoder.lr=0.001", "+parameter_groups.vectors.weight_decay=0"]
    settings = [*TINY, "optimizer.lr=0.01", "scheduler=one_cycle", "trainer.max_epochs=6", WATCHED]
    train(composed(*settings, *groups, "trainer.accumulate_grad_batches=2", run_dir=tmp_path))
    factors = [OneCycle().factor(Progress(step, 6)) for step in range(6)]  # two batches an epoch make one step
    assert [sorted(group) for group in Rates.seen] == [
        pytest.approx([0.001 * factor] * 2 + [0.01 * factor] * 2) for factor in factors
    ]
    assert column(tmp_path) == pytest.approx([0.01 * factor for factor in factors], rel=1e-6)
    own = column(tmp_path, "train/learning_rate_encoder")
    assert own == pytest.approx([0.001 * factor for factor in factors], rel=1e-6)
    assert "learning_rate_vectors" not in (tmp_path / "metrics.csv").read_text()  # they have none of their own


@pytest.mark.parametrize(
    "scheduler",
    [
        "cosine",
        "one_cycle scheduler.interval=epoch",
        "exponential",
        "exponential scheduler.interval=step",
        "multi_step",
        "plateau scheduler.mode=max scheduler.patience=0",
        "plateau scheduler.mode=max scheduler.patience=0 scheduler.monitor=train/loss",
    ],
)
def test_a_run_that_was_cut_ends_as_if_it_never_was(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheduler: str
) -> None:
    """On a falling loss, mode=max is a plateau from the first epoch on."""
    settings = [*RUN, *f"scheduler={scheduler}".split(), "trainer.max_epochs=5", "resume=auto"]
    train(composed(*settings, run_dir=tmp_path / "whole"))
    with monkeypatch.context() as patch:
        interrupt_at(3, patch)
        with pytest.raises(SystemExit):
            train(composed(*settings, run_dir=tmp_path / "cut"))
    assert checkpoint_of(tmp_path / "cut")["epoch"] == 2
    train(composed(*settings, run_dir=tmp_path / "cut"))
    assert differences(checkpoint_of(tmp_path / "whole"), checkpoint_of(tmp_path / "cut")) == []
    assert column(tmp_path / "whole") == column(tmp_path / "cut")
    assert len(set(column(tmp_path / "whole"))) > 1


@pytest.mark.parametrize("share", [0.07, 0.14, 0.28, 0.29, 0.55, 0.56, 0.57])
def test_a_milestone_is_a_whole_share_of_the_run_whatever_rounds(share: float) -> None:
    factors = [MultiStep([share]).factor(Progress(step, 100)) for step in range(100)]
    assert factors.index(0.1) == round(100 * share)


def test_a_plateau_is_looked_for_from_the_end_of_the_loss_s_schedules_on(composed: Compose, tmp_path: Path) -> None:
    """On a falling loss, mode=max is a plateau from the first epoch on."""
    settings = [*RUN, "scheduler=plateau", "scheduler.mode=max", "scheduler.patience=0", "trainer.max_epochs=6"]
    moving = ["schedule@model.lambda_=linear", "model.lambda_.end=2", "model.lambda_.steps=6"]  # three epochs
    train(composed(*settings, run_dir=tmp_path / "plain"))
    train(composed(*settings, *moving, run_dir=tmp_path / "moving"))
    plain, waited = column(tmp_path / "plain"), column(tmp_path / "moving")
    assert waited[:3] == waited[:1] * 3
    assert waited[2:] == plain[:4]


def test_a_longer_run_goes_on_with_the_rates_of_its_new_length(composed: Compose, tmp_path: Path) -> None:
    settings = [*RUN, "scheduler=cosine", "scheduler.warmup=0", "scheduler.interval=epoch", "resume=auto"]
    train(composed(*settings, "trainer.max_epochs=2", run_dir=tmp_path))
    train(composed(*settings, "trainer.max_epochs=4", run_dir=tmp_path))
    expected = [
        CosineWithWarmup(warmup=0).factor(Progress(epoch, total)) for epoch, total in ((0, 2), (1, 2), (2, 4), (3, 4))
    ]
    assert column(tmp_path) == pytest.approx([0.01 * factor for factor in expected])


def test_schedule_and_rate_may_change_when_a_run_goes_on(composed: Compose, tmp_path: Path) -> None:
    def go(*overrides: str) -> None:
        train(composed(*RUN, "resume=auto", *overrides, run_dir=tmp_path))

    go("trainer.max_epochs=1")
    go("trainer.max_epochs=2", "scheduler=exponential", "scheduler.gamma=0.5")
    assert column_of_last(tmp_path) == pytest.approx(0.005)
    go("trainer.max_epochs=3", "scheduler=exponential", "scheduler.gamma=0.5", "optimizer.lr=0.08")
    assert column_of_last(tmp_path) == pytest.approx(0.02)
    with pytest.raises(ChangedError, match=r"scheduler.gamma=0.9 \(there 0.5\): all 3 epochs are trained"):
        go("trainer.max_epochs=3", "scheduler=exponential", "scheduler.gamma=0.9", "optimizer.lr=0.08")
    go("trainer.max_epochs=4", "optimizer.lr=0.08")
    assert checkpoint_of(tmp_path)["optimizer_states"][0]["param_groups"][0]["lr"] == 0.08


def column_of_last(run: Path) -> float:
    with (run / "metrics.csv").open() as file:
        return float(list(csv.DictReader(file))[-1]["train/learning_rate"])


def test_a_rate_of_a_group_stays_its_own_when_the_optimiser_s_changes(composed: Compose, tmp_path: Path) -> None:
    settings = [*RUN, "+parameter_groups.encoder.lr=0.5", "resume=auto"]
    train(composed(*settings, "trainer.max_epochs=1", run_dir=tmp_path))
    train(composed(*settings, "trainer.max_epochs=2", "optimizer.lr=0.25", run_dir=tmp_path))
    (state,) = checkpoint_of(tmp_path)["optimizer_states"]
    assert [group["lr"] for group in state["param_groups"]] == [0.5, 0.25]


def test_runs_without_a_schedule_have_no_such_column(composed: Compose, tmp_path: Path) -> None:
    train(composed(*RUN, "trainer.max_epochs=1", run_dir=tmp_path))
    assert "learning_rate" not in (tmp_path / "metrics.csv").read_text()


@pytest.mark.slow
def test_a_schedule_goes_with_compile_and_precision(composed: Compose, tmp_path: Path) -> None:
    settings = [*RUN, "scheduler=cosine", "trainer.max_epochs=3"]
    train(composed(*settings, run_dir=tmp_path / "eager"))
    train(composed(*settings, "compile=true", run_dir=tmp_path / "compiled"))
    train(composed(*settings, "compile=auto", "trainer.precision=auto", run_dir=tmp_path / "auto"))
    assert column(tmp_path / "eager") == column(tmp_path / "compiled") == column(tmp_path / "auto")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("scheduler=cosine trainer.max_epochs=-1", "^scheduler: it goes by the share of the run, which has no last"),
        ("scheduler=plateau scheduler.monitor=loss", "^scheduler.monitor=loss: .* accepted: metrics of a split"),
        ("scheduler=plateau scheduler.monitor=train/los", "^scheduler.monitor=train/los: no such metric; .*train/loss"),
        ("scheduler=plateau data.validation_size=0 callbacks=none", "scheduler.monitor of another split, .*train/loss"),
        ("scheduler=multi_step scheduler.milestones=[0.5,1.5]", "^scheduler.milestones=.0.5, 1.5.: .* above 0 and"),
        ("scheduler=exponential scheduler.gamma=1.5", "^scheduler.gamma=1.5: .*; accepted: numbers from 0 to 1"),
        (
            "scheduler=plateau scheduler.min_delta=-1",
            "^scheduler.min_delta=-1: .*; accepted: finite values of",
        ),
        (
            f"scheduler=cosine +module._target_={__name__}.BringsItsOwn",
            "^scheduler=infovae.*CosineWithWarmup: the model's own optimiser brings a schedule; accepted: sch",
        ),
    ],
)
def test_a_schedule_that_cannot_be_followed_is_refused(
    composed: Compose, tmp_path: Path, overrides: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        train(composed(*TINY, "trainer.max_epochs=2", *overrides.split(), run_dir=tmp_path))
