"""Where trained classifiers lie: under the hash of the data set that they were tested on."""

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any, NamedTuple

import torch

from infovae.classifier.network import Classifier
from infovae.data.images import LabelledImages
from infovae.errors import UserError
from infovae.runs.files import write_whole
from infovae.runs.lock import one_at_a_time

BLOCK = 1000
"""How many images are hashed at a time."""


class Judge(NamedTuple):
    """A trained classifier.

    Attributes:
        classifier: in evaluation mode, with weights that no longer move.
        accuracy: on the data set's test split, whose images were grey.
        path: of its weights.
    """

    classifier: Classifier
    accuracy: float
    path: Path


def data_hash(test: LabelledImages) -> str:
    """SHA-256 over a data set's test split: its shape, every byte of its images, and its labels.

    How much of the training part a run takes, its seed and its binarisation don't change it; other preprocessing does.
    """
    digest = hashlib.sha256(repr(tuple(test.images.shape)).encode())
    for positions in torch.arange(len(test.images)).split(BLOCK):
        digest.update(test.images[positions].contiguous().numpy().tobytes())
    digest.update(test.labels.numpy().astype("<i8").tobytes())
    return digest.hexdigest()


def weights_path(folder: str | Path, key: str) -> Path:
    """The file for a data set of this hash."""
    return Path(folder) / f"{key[:16]}.pt"


def save(classifier: Classifier, accuracy: float, key: str, path: Path) -> None:
    """Write a classifier as tensors and plain values; whole or not at all."""
    content = {
        "data_sha256": key,
        "test_accuracy": accuracy,
        "image_shape": list(classifier.image_shape),
        "classes": classifier.classes,
        "channels": list(classifier.channels),
        "features": classifier.feature_count,
        "state_dict": {name: value.cpu().contiguous() for name, value in classifier.state_dict().items()},
    }
    packed = io.BytesIO()
    torch.save(content, packed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(path.with_name(f"{path.name}.lock")):  # several processes may have found none
        write_whole(path, packed.getvalue())


def load(folder: str | Path, key: str) -> Judge | None:
    """The classifier for a data set of this hash, if there is one; nothing in its file is executed.

    Raises:
        UserError: the file is damaged or another data set's.
    """
    path = weights_path(folder, key)
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if content["data_sha256"] != key:
            raise ValueError("made for another data set")
        with torch.random.fork_rng([]):
            shape = [content[name] for name in ("image_shape", "classes", "channels", "features")]
            classifier = Classifier(*shape)
        classifier.load_state_dict(content["state_dict"])
        accuracy = float(content["test_accuracy"])
    except (
        pickle.UnpicklingError, EOFError, KeyError, TypeError, AttributeError, OSError, RuntimeError, ValueError
    ) as error:  # fmt: skip
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{path}: damaged, or no classifier's weights ({reason}); accepted: what classifier.py writes: delete "
            "the file and run that again"
        ) from error
    return Judge(classifier.eval().requires_grad_(False), accuracy, path)
