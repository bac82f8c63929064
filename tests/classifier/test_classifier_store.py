"""Classifiers are found by the images and labels of their data set, and by nothing else."""

from pathlib import Path

import pytest
import torch
from conftest import CONF

from infovae.classifier.network import Classifier
from infovae.classifier.store import data_hash, load_classifier, save_classifier, weights_path
from infovae.data.examples import Examples
from infovae.errors import UserError
from infovae.runs.sealed import SEAL_LENGTH


def some_images() -> Examples:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (30, 1, 4, 6), dtype=torch.uint8, generator=generator)
    return Examples(images, torch.arange(30) % 3)


def test_a_byte_a_label_or_the_shape_changes_the_hash() -> None:
    data = some_images()
    brighter, relabelled = data.x.clone(), data.labels.clone()
    brighter[-1, 0, -1, -1] ^= 1
    relabelled[-1] += 1
    others = [
        data._replace(x=brighter),
        data._replace(labels=relabelled),
        data._replace(x=data.x.reshape(30, 1, 6, 4)),
        data.take(torch.arange(29)),
        data.take(torch.arange(30).flip(0)),
    ]
    assert len({data_hash(entry) for entry in [data, *others]}) == 6
    assert data_hash(data) == data_hash(some_images())


def test_what_is_saved_is_loaded_and_gives_the_same_numbers(tmp_path: Path) -> None:
    classifier = Classifier((1, 4, 6), 3, channels=(4,), features=5)
    classifier(torch.rand(8, 1, 4, 6))  # moves the running averages, which must be kept too
    classifier.eval()
    key = data_hash(some_images())
    save_classifier(classifier, 0.75, key, weights_path(tmp_path / "new", key))
    before = torch.get_rng_state()
    judge = load_classifier(tmp_path / "new", key)
    assert judge is not None
    assert torch.equal(torch.get_rng_state(), before)
    assert judge.accuracy == 0.75
    assert not judge.classifier.training
    images = torch.rand(5, 1, 4, 6)
    assert torch.equal(judge.classifier(images), classifier(images))
    assert load_classifier(tmp_path / "new", "0" * 64) is None


def test_a_damaged_file_or_another_set_s_is_one_clear_line(tmp_path: Path) -> None:
    key = "ab" * 32
    path = weights_path(tmp_path, key)
    path.write_bytes(b"no weights")
    with pytest.raises(
        UserError, match=r"damaged, or no classifier's weights .*accepted: a file that `infovae classifier` wrote"
    ):
        load_classifier(tmp_path, key)
    save_classifier(Classifier((1, 4, 6), 3, channels=(4,), features=5), 0.5, key, path)
    path.rename(weights_path(tmp_path, "cd" * 32))
    with pytest.raises(UserError, match="made for another data set"):
        load_classifier(tmp_path, "cd" * 32)


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    key = "ab" * 32
    path = weights_path(tmp_path, key)
    save_classifier(Classifier((1, 4, 6), 3, channels=(4,), features=5), 0.5, key, path)
    whole = path.read_bytes()
    for position in range(0, len(whole) - SEAL_LENGTH, len(whole) // 60):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
        with pytest.raises(UserError, match="damaged, or no classifier's weights"):
            load_classifier(tmp_path, key)


def test_data_options_are_named_as_their_functions() -> None:
    """So that the command which trains a missing classifier can be told from the function."""
    for path in (CONF / "data").glob("*.yaml"):
        assert f".{path.stem}\n" in path.read_text()
