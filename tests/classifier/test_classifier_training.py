"""The command that trains a data set's classifier."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import PROJECT, Command
from digits_classifier import train

from infovae.classifier.store import data_hash, load_classifier
from infovae.data.digits import digits
from infovae.errors import UserError


def test_it_learns_digits_records_them_and_trains_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(tmp_path)
    key = data_hash(digits().test)
    record = json.loads((tmp_path / f"{key[:16]}.json").read_text())
    weights = tmp_path / f"{key[:16]}.pt"
    assert record["data"]["_target_"] == "infovae.data.digits.digits"
    assert record["data_sha256"] == key
    assert record["weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert (record["training_images"], record["classes"], record["image_shape"]) == (1437, 10, [1, 8, 8])
    assert {"versions", "git", "command", "config"} <= set(record)
    judge = load_classifier(tmp_path, key)
    assert judge is not None
    with torch.no_grad():
        chosen = judge.classifier(digits().test.x / 255).argmax(dim=1)
    right = (chosen == digits().test.labels).double().mean().item()
    assert record["test_accuracy"] == judge.accuracy == pytest.approx(right)
    assert right > 0.9
    assert 0.1 < record["test_accuracy_binarized"]["stochastic"] < right
    capsys.readouterr()
    train(tmp_path)
    assert "exists" in capsys.readouterr().out
    assert record["weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()


def test_the_same_seed_trains_the_same_weights(tmp_path: Path) -> None:
    weights = []
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        torch.rand(3)  # what was drawn before doesn't matter
        train(tmp_path / folder, "steps=10", f"seed={seed}")
        judge = load_classifier(tmp_path / folder, data_hash(digits().test))
        assert judge is not None
        weights.append(torch.cat([value.flatten() for value in judge.classifier.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.train_size=100", "data.train_size=100: .*accepted: null"),
        ("data.validation_size=10", "data.validation_size=10: .*accepted: 0"),
        ("data.binarization=threshold", "data.binarization=threshold: .*accepted: none"),
        ("data.batch_size=1", "data.batch_size=1: invalid; accepted: whole numbers of at least 2"),
        ("steps=0", "steps=0: "),
        ("data.augmentation.zoom=2", "data.augmentation.zoom=2: .*accepted"),
        ("classifier.channels=[0]", r"classifier.channels=\[0\]: .*accepted"),
        ("device=abacus", "device=abacus: not there"),
    ],
)
def test_mistakes_are_one_clear_line(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        train(tmp_path, override)
    assert not list(tmp_path.iterdir())


def test_a_set_without_classes_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.zeros((40, 4, 4), dtype=np.uint8))
    with pytest.raises(UserError, match="all have one label; accepted: sets with classes"):
        train(tmp_path, "data=tensor", f"data.path={tmp_path / 'images.npy'}")


@pytest.mark.slow
def test_mnist_is_learned_to_99_percent(command: Command, tmp_path: Path) -> None:
    answer = command("classifier", "data=mnist", f"data.root={PROJECT / 'data'}", "device=cpu", timeout=1800)
    assert answer.returncode == 0, answer.stderr
    (path,) = (tmp_path / "data" / "classifiers").glob("*.json")
    accuracy = json.loads(path.read_text())
    assert accuracy["test_accuracy"] >= 0.99
    assert min(accuracy["test_accuracy_binarized"].values()) >= 0.98
