"""Training that ends with the weights by which q(z) has the prior's size."""

import copy
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytorch_lightning as pl
import torch
from conftest import TINY, Compose
from hypothesis import given
from hypothesis import strategies as st

from infovae.errors import UserError
from infovae.evaluation.load import load
from infovae.reproduction.cells import Cell
from infovae.runs.changes import ChangedError
from infovae.training.callbacks.near_prior import NearPrior
from infovae.training.run import train

DIGITS = [*TINY, "pictures=[samples]", "callbacks=[checkpoint,drawing,near_prior]"]
"""Runs of a second."""

SPLITS = ("train", "validation")
TOLERANCE = 0.25
Sizes = Sequence[tuple[float, float]]


class End(NamedTuple):
    """How a run came out: whose epoch's weights it left, and after which it stopped."""

    kept: int | None
    stopped: int | None


class Told(pl.Trainer):
    """A trainer that was told what was measured, and does nothing."""

    sanity_checking = should_stop = False
    current_epoch = 0

    def __init__(self) -> None:
        self.measured: dict[str, torch.Tensor] = {}

    @property
    def callback_metrics(self) -> dict[str, torch.Tensor]:
        return self.measured


class Weights(pl.LightningModule):
    """A module whose one weight is the number of the epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(()))


def played(sizes: Sizes, patience: int, ideal: float | None = None) -> End:
    """The end of a run in which log det Cov is measured as (training, validation), until it stops or that is all.

    ``ideal`` is that of a prior other than N(0, I).
    """
    callback, module, trainer = NearPrior(TOLERANCE, patience), Weights(), Told()
    for epoch, measured in enumerate(sizes):
        trainer.current_epoch = epoch
        module.weight.fill_(epoch + 1)
        names = [f"{split}/log_det_covariance" for split in SPLITS]
        trainer.measured = dict(zip(names, map(torch.tensor, measured), strict=True))
        if ideal is not None:
            trainer.measured |= {f"{split}/prior_log_det_covariance": torch.tensor(ideal) for split in SPLITS}
        callback.on_validation_end(trainer, module)
        callback.on_train_epoch_end(trainer, module)
        if trainer.should_stop:
            break
    last = int(module.weight)
    callback.on_train_end(trainer, module)
    assert callback.kept_epoch is None or callback.kept_epoch == int(module.weight)
    return End(callback.kept_epoch, last if trainer.should_stop else None)


@pytest.mark.parametrize(
    ("sizes", "end"),
    [
        ([(-9, -9), (0.1, -0.2), (0.2, -0.1), (0.3, 0.0), (0.4, 0.1)], End(3, 5)),  # the last within
        ([(-9, -9), (-5, -5), (-2, -2), (-1, -1), (0.1, -0.1)], End(5, None)),  # too narrow so far: it will widen
        ([(0.1, 0.1), (-1, -1), (-2, -2), (-1, -1)], End(1, None)),  # fell back: likewise
        ([(0.1, -0.4), (0.28, -0.26), (0.35, -0.2), (0.5, 0.0)], End(2, 4)),  # none within: the nearest
        ([(9, 9), (7, 7), (4, 4), (1, 1), (0.2, 0.2)], End(5, None)),  # from above
        ([(0.2, 0.2), (0.4, 0.3), (0.2, 0.2), (0.4, 0.3), (0.5, 0.4)], End(3, 5)),  # over and back
        ([(0.2, 0.2), (0.0, 0.4), (0.0, 0.4)], End(1, 3)),  # too wide on one split is too wide
        ([(math.nan, 0.1), (-math.inf, -math.inf), (-3, -3)], End(3, None)),
        ([(math.nan, math.nan), (-math.inf, 0.1)], End(None, None)),
    ],
)
def test_the_latest_weights_within_tolerance_are_left(sizes: Sizes, end: End) -> None:
    assert played(sizes, patience=2) == end
    shifted = [(train + 3, validation + 3) for train, validation in sizes]
    assert played(shifted, patience=2, ideal=3.0) == end


size = st.floats(-2, 2, width=32)


@given(sizes=st.lists(st.tuples(size, size), min_size=1, max_size=12), patience=st.integers(1, 3))
def test_what_is_left_is_the_best_of_what_was_seen_and_only_too_wide_codes_stop_a_run(
    sizes: Sizes, patience: int
) -> None:
    kept, stopped = played(sizes, patience)
    seen = [max(abs(train), abs(validation)) for train, validation in sizes[:stopped]]
    within = [epoch for epoch, distance in enumerate(seen, start=1) if distance < TOLERANCE]
    assert kept == (within[-1] if within else 1 + seen.index(min(seen)))
    if stopped is not None:
        assert all(max(pair) > TOLERANCE for pair in sizes[stopped - patience : stopped])
        assert kept <= stopped - patience


def test_a_split_that_was_not_measured_anew_is_not_looked_at_again() -> None:
    callback, module, trainer = NearPrior(TOLERANCE, patience=1), Weights(), Told()
    trainer.sanity_checking = True
    callback.on_validation_end(trainer, module)
    callback.on_train_epoch_end(trainer, module)
    assert callback.kept_epoch is None


SCRIPT = {
    "train": [-1.0, 0.1, 0.6, 0.7, 0.8, 0.9],
    "validation": [-1.5, -0.1, 0.2, 0.4, 0.5, 0.6],
}
"""Epoch 2 is left, and patience=3 is at its end after epoch 5."""


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = lambda trainer, split: SCRIPT[split][trainer.current_epoch]  # noqa: E731
    monkeypatch.setattr("infovae.training.callbacks.near_prior._measured", measured)


def checkpoint_of(run: Path) -> dict[str, Any]:
    checkpoint: dict[str, Any] = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    return checkpoint


def assert_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.usefixtures("scripted")
def test_a_run_ends_as_one_that_trained_no_longer_than_to_the_weights_it_keeps(
    composed: Compose, tmp_path: Path
) -> None:
    patience = "callbacks.near_prior.patience=3"
    kept = train(composed(*DIGITS, patience, "trainer.max_epochs=6", run_dir=tmp_path / "kept"))
    plain = [*DIGITS, "callbacks.near_prior=null", "trainer.max_epochs=2"]
    assert kept == train(composed(*plain, run_dir=tmp_path / "two"))
    assert kept["validation/loss"] != pytest.approx(Cell(tmp_path / "kept").rows[-1]["validation/loss"])

    assert json.loads((tmp_path / "kept" / "summary.json").read_text())["epoch"] == 2
    rows = Cell(tmp_path / "kept").rows
    assert (len(rows), Cell(tmp_path / "kept").final_row) == (5, rows[1])
    assert_equal(checkpoint_of(tmp_path / "kept")["state_dict"], checkpoint_of(tmp_path / "two")["state_dict"])
    assert_equal(load(tmp_path / "kept").module.state_dict(), load(tmp_path / "two").module.state_dict())
    figures = [tmp_path / name / "figures" for name in ("kept", "two")]
    for name in ("samples.png", "samples-0002.png"):
        pictures = [(folder / name).read_bytes() for folder in figures]
        assert pictures[0] == pictures[1]
    assert sorted(path.name for path in figures[0].iterdir()) == ["samples-0002.png", "samples.png"]


class FirstWeights(pl.Callback):
    """Some other callback that keeps weights: those of the first epoch."""

    kept_epoch: int | None = None

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.kept_epoch is None:
            self.kept_epoch = trainer.current_epoch + 1
            self.weights = copy.deepcopy(pl_module.state_dict())

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        pl_module.load_state_dict(self.weights)


def test_whichever_callback_keeps_weights_the_run_is_about_those(composed: Compose, tmp_path: Path) -> None:
    keeping = "+callbacks.first._target_=test_near_prior.FirstWeights"
    plain = [*DIGITS, "callbacks.near_prior=null"]
    kept = train(composed(*plain, keeping, "trainer.max_epochs=3", run_dir=tmp_path / "kept"))
    assert kept == train(composed(*plain, "trainer.max_epochs=1", run_dir=tmp_path / "one"))
    cell = Cell(tmp_path / "kept")
    assert (cell.summary["epoch"], cell.final_row) == (1, cell.rows[0])
    assert (tmp_path / "kept" / "figures" / "samples-0001.png").is_file()


@pytest.mark.parametrize(("summary", "epoch"), [({"epoch": 4}, 4), ({"epoch": 9}, 5), ({"epoch": None}, 5), ({}, 5)])
def test_the_final_row_is_found_by_its_epoch_not_by_its_place(
    tmp_path: Path, summary: dict[str, int | None], epoch: int
) -> None:
    (tmp_path / "metrics.csv").write_text("epoch,train/loss\n3,30\n4,40\n5,50\n")
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    assert Cell(tmp_path).final_row == {"epoch": epoch, "train/loss": 10 * epoch}


@pytest.mark.usefixtures("scripted")
@pytest.mark.parametrize("epochs", [1, 3, 4])
def test_a_resumed_run_keeps_the_same_weights_and_goes_on_from_those_it_trained(
    composed: Compose, tmp_path: Path, epochs: int
) -> None:
    settings = [*DIGITS, "callbacks.near_prior.patience=3", "callbacks.drawing=null"]
    whole = train(composed(*settings, "trainer.max_epochs=6", run_dir=tmp_path / "whole"))
    train(composed(*settings, f"trainer.max_epochs={epochs}", run_dir=tmp_path / "resumed"))
    again = composed(*settings, "trainer.max_epochs=6", "resume=auto", run_dir=tmp_path / "resumed")
    assert train(again) == whole
    one, other = (checkpoint_of(tmp_path / name) for name in ("whole", "resumed"))
    assert_equal(one["state_dict"], other["state_dict"])
    assert_equal(one["trained_weights"], other["trained_weights"])
    assert not torch.equal(*(one[name]["encoder.layers.0.weight"] for name in ("state_dict", "trained_weights")))
    for name in ("epoch", "global_step", "stopped_early"):
        assert one[name] == other[name]
    # What was over stays so, with the same weights.
    assert train(composed(*settings, "trainer.max_epochs=6", "resume=auto", run_dir=tmp_path / "whole")) == whole


@pytest.mark.usefixtures("scripted")
def test_another_run_that_starts_from_the_weights_knows_their_epoch(composed: Compose, tmp_path: Path) -> None:
    settings = [*DIGITS, "callbacks.drawing=null"]
    train(composed(*settings, "trainer.max_epochs=3", run_dir=tmp_path / "kept"))
    start = ["callbacks.near_prior=null", f"init_from={tmp_path / 'kept'}", "trainer.max_epochs=1"]
    train(composed(*settings, *start, run_dir=tmp_path / "next"))
    assert json.loads((tmp_path / "next" / "init_from.json").read_text())["epoch"] == 2


@pytest.mark.usefixtures("scripted")
def test_a_run_goes_on_from_the_weights_it_trained_without_the_callback(composed: Compose, tmp_path: Path) -> None:
    settings = [*DIGITS, "callbacks.near_prior.patience=3", "callbacks.drawing=null", "trainer.max_epochs=3"]
    train(composed(*settings, run_dir=tmp_path))
    trained = checkpoint_of(tmp_path)["trained_weights"]
    again = [*settings, "resume=auto", "callbacks.near_prior=null"]
    with pytest.raises(ChangedError, match=r"^callbacks: no epoch is left to train"):
        train(composed(*again, run_dir=tmp_path))
    train(composed(*again, "trainer.max_epochs=4", "optimizer.lr=0", run_dir=tmp_path))
    assert_equal(checkpoint_of(tmp_path)["state_dict"], trained)


def test_real_measurements_decide(composed: Compose, tmp_path: Path) -> None:
    """With a tolerance beyond every one the last is left, here of the second epoch, as it stands in metrics.csv."""
    settings = [*DIGITS, "callbacks.drawing=null", "callbacks.checkpoint=null", "trainer.check_val_every_n_epoch=2"]
    train(composed(*settings, "callbacks.near_prior.tolerance=100", "trainer.max_epochs=3", run_dir=tmp_path))
    cell, state = Cell(tmp_path), checkpoint_of(tmp_path)["callbacks"]["NearPrior"]
    assert state["epoch"] == cell.final_row["epoch"] == 2
    sizes = [abs(cell.final_row[f"{split}/log_det_covariance"]) for split in ("train", "validation")]
    assert state["distance"] == pytest.approx(max(sizes))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["metrics=[mmd]"], r"^metrics=\[mmd\]: NearPrior goes by log_det_covariance; accepted: lists with it"),
        (["metrics=[]"], r"^metrics=\[\]: NearPrior goes by .* as metrics=\[log_det_covariance\]$"),
        (["trainer.limit_val_batches=0"], "^trainer.limit_val_batches=0: NearPrior watches"),
        (["data.validation_size=0"], "^data.validation_size=0: NearPrior watches"),
        (["callbacks.near_prior.tolerance=0"], r"near_prior.tolerance=0.*: invalid; accepted: finite values above 0"),
        (["callbacks.near_prior.patience=0"], "near_prior.patience=0: invalid; accepted: whole numbers of at least 1"),
    ],
)
def test_what_it_cannot_go_by_is_refused_before_training(
    composed: Compose, tmp_path: Path, overrides: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message) as refusal:
        train(composed(*DIGITS, "callbacks.checkpoint=null", *overrides, run_dir=tmp_path / "run"))
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "run" / "config.yaml").exists()
