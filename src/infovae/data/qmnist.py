"""QMNIST (Yadav, Bottou 2019): MNIST rebuilt from NIST's digits, with all 60,000 test images, 28 x 28."""

from typing import Literal

from torchvision.datasets import QMNIST

from infovae.data.examples import DataSet, Examples
from infovae.data.torchvision_sets import labelled, raw_folder, read_two_splits


def qmnist(root: str, test: Literal["test", "test10k", "test50k"] = "test", download: bool = True) -> DataSet:
    """Read QMNIST from ``root/QMNIST/raw``, as :func:`~infovae.data.torchvision_sets.read_sets` does.

    Its labels are rows of eight numbers (class, writer, ...); the class is kept.

    Args:
        test: all 60,000 test images, the 10,000 that match MNIST's, or the 50,000 that MNIST left out.
    """
    kinds = ("images-idx3-ubyte", "labels-idx2-int")
    files = [f"qmnist-{part}-{kind}" for part in ("train", "test") for kind in kinds]

    def part(train: bool, download: bool) -> Examples:
        data = QMNIST(root, what="train" if train else test, download=download)
        return labelled(data.data, data.targets[:, 0])

    return read_two_splits("QMNIST", root, raw_folder(QMNIST, root), files, download, part)
