"""MNIST in a fixed black and white (Larochelle, Murray 2011): 50,000 + 10,000 + 10,000 digits, 28 x 28, no classes."""

from pathlib import Path

import numpy as np
from torchvision.datasets.utils import download_url

from infovae.data.examples import DataSet, Examples
from infovae.data.torchvision_sets import labelled, read_sets

ADDRESS = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist"
SIZES = {"train": 50_000, "test": 10_000, "valid": 10_000}
"""Images of each split, in the order of :class:`infovae.data.examples.DataSet`."""


def mnist_binarized(root: str, download: bool = True) -> DataSet:
    """Read the set from ``root/binarized_mnist``, as :func:`~infovae.data.torchvision_sets.read_sets` does.

    Each pixel was drawn once, with its grey level as the probability of white (Salakhutdinov, Murray 2008). Published
    likelihoods of "statically binarised MNIST" are of these files. They have no classes: every label is 0.
    """
    folder = Path(root) / "binarized_mnist"
    files = {split: f"binarized_mnist_{split}.amat" for split in SIZES}

    def read(fetch: bool) -> DataSet:
        for file in files.values():
            if fetch and download and not (folder / file).exists():
                download_url(f"{ADDRESS}/{file}", folder)
        train, test, validation = (_part(folder / files[split], size) for split, size in SIZES.items())
        return DataSet(train, test, validation)

    return read_sets("binarized MNIST", root, folder, list(files.values()), download, read)


def _part(path: Path, size: int) -> Examples:
    """Return the images of a file with a line of 784 zeros and ones for each.

    Raises:
        ValueError: the file holds something else, or another number of images.
    """
    text = np.fromfile(path, dtype=np.uint8)
    digits = text[(text == ord("0")) | (text == ord("1"))]
    if len(digits) != 784 * size or np.setdiff1d(text, np.frombuffer(b"01 \r\n", dtype=np.uint8)).size:
        raise ValueError(f"{path.name} doesn't hold {size} lines of 784 zeros and ones")
    return labelled((digits - ord("0")).reshape(size, 28, 28) * np.uint8(255), np.zeros(size, dtype=np.int64))
