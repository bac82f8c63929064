"""When pictures are drawn, from what, and where they go."""

from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from conftest import CONF, SMALL, TINY, Command, Compose
from pictures.toy import Toy
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from infovae.data.module import DataModule
from infovae.evaluation.measure import draw as draw_evaluated
from infovae.pictures.drawing import draw_pictures, first_batches
from infovae.priors.standard_normal import StandardNormal
from infovae.training.assemble import build_chosen, build_data, build_module
from infovae.training.callbacks.drawing import Drawing, is_drawn
from infovae.training.run import train

NAMES = sorted(path.stem for path in (CONF / "pictures").glob("*.yaml"))
EVERY_PICTURE = f"pictures=[{','.join(NAMES)}]"
CPU = torch.device("cpu")
QUICK = ["pictures.aggregate_posterior_contours.rows=20", "pictures.latent_manifold.rows=4"]
OF_COLUMNS = {"marginals", "pairs", "column_moments"}  # of tables and counts


def test_pictures_move_neither_each_other_nor_the_stream(composed: Compose) -> None:
    cfg = composed(*SMALL, EVERY_PICTURE, *QUICK)
    pictures, loader = build_chosen(cfg, "pictures"), build_data(cfg).evaluation_loader("test")
    model = Toy(StandardNormal(2), (1, 28, 28), scale=torch.ones_like)
    state = torch.get_rng_state()
    with torch.no_grad():
        together = draw_pictures(pictures, model, first_batches(loader, pictures), CPU)
    assert torch.equal(torch.get_rng_state(), state)
    assert together.keys() == pictures.keys() - OF_COLUMNS
    assert sum(len(batch.x) for batch in first_batches(loader, pictures)) == 5000
    for name in ("samples", "reconstructions", "latent_scatter"):
        chosen = {name: pictures[name]}
        batches = first_batches(loader, pictures)  # the same examples, and so the same noise
        torch.rand(5)
        with torch.no_grad():
            alone = draw_pictures(chosen, model, batches, CPU)
        np.testing.assert_array_equal(alone[name], together[name])


def test_as_many_batches_as_are_wanted_are_read(composed: Compose) -> None:
    cfg = composed(*SMALL, EVERY_PICTURE)
    loader, pictures = build_data(cfg).evaluation_loader("test"), build_chosen(cfg, "pictures")
    counts = {name: len(first_batches(loader, {name: pictures[name]})) for name in ("samples", "reconstructions")}
    assert counts == {"samples": 1, "reconstructions": 1}
    assert len(first_batches(loader, {"traversals": pictures["traversals"]})) == 20


def test_a_set_smaller_than_wanted_is_drawn_whole(composed: Compose) -> None:
    cfg = composed("data=two_points", "data.validation_size=2", "data.source.size=6", "latent_dim=1", EVERY_PICTURE)
    data, pictures = build_data(cfg), build_chosen(cfg, "pictures")
    drawn = draw_evaluated(build_module(cfg, data).eval(), data, pictures)
    assert drawn.keys() == pictures.keys() - {"latent_scatter", "latent_manifold", *OF_COLUMNS}


def test_the_test_split_is_read_once_and_drawn_alike_while_the_model_stays(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    original = DataModule.evaluation_loader

    def counted(self: DataModule, name: str, shared: bool = True) -> object:
        read.extend([] if shared else [name])
        return original(self, name, shared)

    monkeypatch.setattr(DataModule, "evaluation_loader", counted)
    cfg = composed(*SMALL, "optimizer.lr=0", "pictures=[samples,reconstructions]")
    trainer = pl.Trainer(
        max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, limit_val_batches=0,
        callbacks=[Drawing(build_chosen(cfg, "pictures"), str(tmp_path), every_n_epochs=2)],
    )  # fmt: skip
    data = build_data(cfg)
    trainer.fit(build_module(cfg, data), datamodule=data)
    assert read == ["test"]
    for name in ("samples", "reconstructions"):
        assert sorted(path.name for path in tmp_path.glob(f"{name}*")) == [
            f"{name}-0002.png", f"{name}-0003.png", f"{name}.png",
        ]  # fmt: skip
        assert len({path.read_bytes() for path in tmp_path.glob(f"{name}*")}) == 1


class Stop(pl.Callback):
    """Asks for the end in each epoch."""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        trainer.should_stop = True


def test_epochs_are_drawn_until_the_least_number_of_them_is_trained(composed: Compose, tmp_path: Path) -> None:
    settings = ["pictures=[samples]", "callbacks=[drawing]", "callbacks.drawing.every_n_epochs=1"]
    settings += ["+trainer.min_epochs=3", "+callbacks.stop._target_=test_drawing.Stop"]
    train(composed(*TINY, *settings, run_dir=tmp_path))
    names = ["samples-0001.png", "samples-0002.png", "samples-0003.png", "samples.png"]
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == names


def test_long_runs_are_drawn_ever_more_rarely() -> None:
    drawn = [epoch for epoch in range(1, 16_001) if is_drawn(epoch, 4)]
    assert drawn[:40] == list(range(4, 164, 4))
    assert [sum(epoch <= end for epoch in drawn) for end in (160, 1_600, 16_000)] == [40, 105, 171]


def test_evaluation_draws_beside_training_and_tells_both_trackers(
    composed: Compose, command: Command, tmp_path: Path
) -> None:
    run, loggers = tmp_path / "run", "logger=[tensorboard,wandb_offline]"
    overrides = [entry for entry in SMALL if entry != "logger=none"]
    train(composed(*overrides, loggers, "trainer.max_epochs=1", "latent_dim=2", "name=x", run_dir=run))
    trained = {path.name: path.read_bytes() for path in (run / "figures").iterdir()}
    accumulator = EventAccumulator(str(run / "tensorboard"), size_guidance={"images": 0}).Reload()
    assert set(accumulator.Tags()["images"]) == {"samples", "reconstructions", "latent_scatter", "latent_manifold"}

    answer = command("evaluate", f"run={run}", "wandb=true", "metrics=[log_det_covariance]", *QUICK)
    assert answer.returncode == 0, answer.stderr
    assert {path.stem for path in (run / "evaluation").iterdir()} == set(NAMES) - OF_COLUMNS
    assert {path.name: path.read_bytes() for path in (run / "figures").iterdir()} == trained
    media = {
        path.name.partition("_summary_")[0]: path for path in (run / "wandb").glob("*/files/media/images/evaluation/*")
    }
    assert media.keys() == set(NAMES) - OF_COLUMNS
    for name, path in media.items():
        np.testing.assert_array_equal(Image.open(path), Image.open(run / "evaluation" / f"{name}.png"))
