"""Store trained classifiers under the hash of the data set that they were tested on."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import torch

from infovae.classifier.network import Classifier
from infovae.data.examples import Examples
from infovae.errors import UserError, reason_of
from infovae.runs.files import write_whole
from infovae.runs.lock import one_at_a_time
from infovae.runs.sealed import DAMAGED, read_sealed, sealed

HASHED_AT_ONCE = 1000
"""How many images are hashed at a time."""


class Judge(NamedTuple):
    """A trained classifier.

    Attributes:
        classifier: in evaluation mode, with weights that no longer move.
        accuracy: on the data set's test split, with grey images.
        path: the file of its weights.
    """

    classifier: Classifier
    accuracy: float
    path: Path


def data_hash(test: Examples) -> str:
    """Return the SHA-256 of a data set's test split: its shape, every byte of its images, and its labels.

    A run's training-set size, seed and binarisation don't change it; other preprocessing does.
    """
    digest = hashlib.sha256(repr(tuple(test.x.shape)).encode())
    for positions in torch.arange(len(test.x)).split(HASHED_AT_ONCE):
        digest.update(test.x[positions].contiguous().numpy().tobytes())
    digest.update(test.labels.numpy().astype("<i8").tobytes())
    return digest.hexdigest()


def weights_path(folder: str | Path, key: str) -> Path:
    """Return the file for a data set of this hash."""
    return Path(folder) / f"{key[:16]}.pt"


def save_classifier(classifier: Classifier, accuracy: float, key: str, path: Path) -> None:
    """Write a classifier as tensors and plain values, whole or not at all."""
    content = {
        "data_sha256": key,
        "test_accuracy": accuracy,
        "image_shape": list(classifier.image_shape),
        "classes": classifier.classes,
        "channels": list(classifier.channels),
        "features": classifier.feature_count,
        "state_dict": {name: value.cpu().contiguous() for name, value in classifier.state_dict().items()},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(path.with_name(f"{path.name}.lock")):  # several processes may have found no classifier
        write_whole(path, sealed(content))


def load_classifier(folder: str | Path, key: str) -> Judge | None:
    """Return the classifier for a data set of this hash, if there is one. Nothing in its file is executed.

    Raises:
        UserError: the file is damaged, or belongs to another data set.
    """
    path = weights_path(folder, key)
    if not path.is_file():
        return None
    try:
        content = read_sealed(path)
        if content["data_sha256"] != key:
            raise ValueError("made for another data set")
        with torch.random.fork_rng([]):
            shape = [content[name] for name in ("image_shape", "classes", "channels", "features")]
            classifier = Classifier(*shape)
        classifier.load_state_dict(content["state_dict"])
        accuracy = float(content["test_accuracy"])
    except DAMAGED as error:
        raise UserError(
            f"{path}: damaged, or no classifier's weights ({reason_of(error)}); accepted: a file that "
            "`infovae classifier` wrote. Delete this one and train again"
        ) from error
    return Judge(classifier.eval().requires_grad_(False), accuracy, path)
