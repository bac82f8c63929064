"""The images that a seed serves never change: hashes of whole sets, splits and batches, taken in version 0.1."""

import hashlib

import pytest
import torch
from conftest import PROJECT

from infovae.data.digits import digits
from infovae.data.examples import DataSet, Examples
from infovae.data.mnist import mnist
from infovae.data.module import DataModule
from infovae.data.sprites import sprites


def bundled() -> DataSet:
    return mnist(str(PROJECT / "data"), download=False)


def few_sprites() -> DataSet:
    return sprites(scales=2, rotations=3, xs=4, ys=2, size=32)


def digest(*tensors: torch.Tensor) -> str:
    content = hashlib.sha256()
    for tensor in tensors:
        content.update(tensor.numpy().tobytes())
    return content.hexdigest()[:16]


def whole(part: Examples) -> tuple[torch.Tensor, torch.Tensor]:
    return part.x[torch.arange(len(part.x))], part.labels


@pytest.mark.parametrize(
    ("source", "options", "splits", "batches"),
    [
        (digits, {"validation_size": 200, "binarization": "threshold"}, "a1caed3bb6b809e1", "f5df32dd0347cf9a"),
        (digits, {"validation_size": 0.1, "train_size": 101}, "2bed766dfe59fdb6", "6691878acd2bda42"),
        (bundled, {}, "6cc4a61cce294b32", "474ea7ca1c2ff002"),
        (few_sprites, {"validation_size": 20, "batch_size": 16}, "b5b76d7d83c49629", "fbf785d41b0143d5"),
    ],
)
def test_splits_and_first_batches(source, options, splits: str, batches: str) -> None:  # type: ignore[no-untyped-def]
    data = DataModule(source, **options)
    assert digest(*(tensor for part in data.splits.values() for tensor in whole(part))) == splits
    loaders = [data.train_dataloader(), data.evaluation_loader("test"), data.measured_train_loader()]
    assert digest(*(tensor for loader in loaders for tensor in next(iter(loader))[:2])) == batches
