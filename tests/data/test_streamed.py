"""A streamed set gives what a held one gives."""

import logging
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from conftest import SMALL, Compose
from PIL import Image
from torch.distributions import Normal

from infovae.data.examples import DataSet, Examples, Inputs
from infovae.data.image_folder import image_folder
from infovae.data.loader import Batch, EpochOrder, Held, Loader
from infovae.data.module import DataModule
from infovae.data.streamed import Streamed
from infovae.data.values import Bytes
from infovae.errors import ArgumentError, UserError
from infovae.priors.vamp import Vamp
from infovae.training.run import train

CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for i in range(40):
        path = tmp_path / "faces" / f"class{i % 3}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(path)
    return tmp_path / "faces"


def folder_run(folder: Path, streaming: str) -> list[str]:
    small = [entry for entry in SMALL if not entry.startswith("data")]
    source = [f"data.root={folder}", "data.source.size=8", f"data.streaming={streaming}", "data.workers=2"]
    return [
        *small,
        "data=image_folder",
        "data.batch_size=8",
        *source,
        "callbacks=checkpoint",
    ]


def weights_of(run_dir: Path) -> dict[str, torch.Tensor]:
    return torch.load(run_dir / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def assert_equal_weights(first: Path, second: Path) -> None:
    one, other = weights_of(first), weights_of(second)
    assert one.keys() == other.keys()
    for name, value in one.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, other[name]), name


def equal(one: Batch, other: Batch) -> bool:
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("binarization", ["none", "stochastic"])
def test_batches_equal_those_of_a_held_set_on_each_process(workers: int, binarization: str) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (23, 1, 2, 2), dtype=torch.uint8, generator=generator)
    data = Examples(images, torch.arange(23), torch.arange(46).view(23, 2))
    for training, rank in ((True, 0), (True, 1), (False, 1)):
        order = EpochOrder(23, seed=3, shuffle=training)
        order.set_epoch(2)
        held, streamed = (
            list(Loader(dataset, order, 5, binarization, training, rank, 2))  # type: ignore[arg-type]
            for dataset in (Held(data, CPU), Streamed(data, CPU, workers, prefetch=2))
        )
        assert len(held) == len(streamed)
        assert all(map(equal, held, streamed))


def test_streaming_does_not_move_the_program_s_random_stream() -> None:
    data = Examples(torch.zeros(9, 1, 2, 2, dtype=torch.uint8), torch.arange(9))
    before = torch.get_rng_state()
    list(Streamed(data, CPU, workers=2, prefetch=1).batches([torch.arange(9)]))
    assert torch.equal(torch.get_rng_state(), before)


def test_streamed_training_ends_with_the_weights_of_held_training(
    composed: Compose, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for streaming in ("never", "always"):
        with caplog.at_level(logging.INFO):
            overrides = [*folder_run(folder, streaming), "trainer.max_epochs=2"]
            train(composed(*overrides, run_dir=tmp_path / streaming))
    told = [message for message in caplog.messages if message.startswith("the data set is ")]
    assert [line.split(" (")[0] for line in told] == [
        "the data set is held on cpu",
        "the data set is streamed from files by 2 workers",
    ]
    assert_equal_weights(tmp_path / "never", tmp_path / "always")


@pytest.mark.parametrize(("before", "after"), [("always", "always"), ("never", "always")])
def test_a_resumed_streamed_run_ends_with_the_weights_of_one_that_never_stopped(
    composed: Compose, folder: Path, tmp_path: Path, before: str, after: str
) -> None:
    whole = [*folder_run(folder, before), "trainer.max_epochs=2"]
    train(composed(*whole, run_dir=tmp_path / "whole"))
    train(composed(*whole, "trainer.max_epochs=1", run_dir=tmp_path / "first"))
    checkpoint = tmp_path / "first" / "checkpoints" / "last.ckpt"
    rest = [*folder_run(folder, after), "trainer.max_epochs=2", f"ckpt_path={checkpoint}"]
    train(composed(*rest, run_dir=tmp_path / "second"))
    assert_equal_weights(tmp_path / "whole", tmp_path / "second")


def test_a_set_in_memory_streams_too(composed: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    small = [entry for entry in SMALL if not entry.startswith("data.root")]
    for streaming in ("auto", "always"):
        with caplog.at_level(logging.INFO):
            run = [*small, "data=digits", f"data.streaming={streaming}", "data.workers=1", "trainer.max_epochs=1"]
            train(composed(*run, "callbacks=checkpoint", run_dir=tmp_path / streaming))
    assert "the data set is streamed from memory by 1 workers" in caplog.text
    assert_equal_weights(tmp_path / "auto", tmp_path / "always")


@pytest.mark.parametrize("start", ["data", "noise"])
def test_vamp_starts_from_streamed_images_as_from_held_ones(folder: Path, start: Literal["data", "noise"]) -> None:
    priors = []
    for streaming in ("never", "always"):
        prior = Vamp(latent_dim=2, components=5, start=start)
        torch.manual_seed(1)
        prior.attach(
            lambda _: Normal(0, 1), Inputs(image_folder(str(folder), size=8, streaming=streaming).train.x, Bytes())
        )
        priors.append(prior.logits)
    assert torch.equal(*priors)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_goes_bad_during_training_is_named_in_one_line(folder: Path, workers: int) -> None:
    part = image_folder(str(folder), size=8, streaming="always").train
    gone = folder / str(part.names[4])  # type: ignore[index]
    gone.unlink()
    served = Streamed(part, CPU, workers, prefetch=1)
    with pytest.raises(UserError, match=f"^{gone} can't be read .*accepted:") as refusal:
        list(served.batches([torch.tensor([0, 1]), torch.tensor([2, 4])]))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("free", "place"), [(199, Streamed), (200, Held)])
def test_a_device_with_too_little_memory_gets_batches(monkeypatch: pytest.MonkeyPatch, free: int, place: type) -> None:
    images = Examples(torch.zeros(50, 1, 1, 1, dtype=torch.uint8), torch.zeros(50, dtype=torch.int64))
    data = DataModule(lambda: DataSet(images, images), validation_size=10)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda _: (free, 2 * free))
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *_: self)
    assert {type(part) for part in data._serve(torch.device("cuda")).values()} == {place}


@pytest.mark.parametrize(
    ("key", "value", "accepted"),
    [
        ("workers", -1, "0 to 256"),
        ("workers", 257, "0 to 256"),
        ("prefetch", 0, "1 to 1024"),
        ("prefetch", 10**9, "1 to"),
    ],
)
def test_impossible_workers_are_refused_before_the_set_is_read(key: str, value: int, accepted: str) -> None:
    with pytest.raises(ArgumentError, match=f"^{key}={value}: invalid; accepted: whole numbers from {accepted}"):
        DataModule(lambda: pytest.fail("read"), **{key: value})  # type: ignore[arg-type]
