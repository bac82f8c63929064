"""SVHN (Netzer et al. 2011): 73,257 + 26,032 cropped house numbers in colour, 32 x 32, in 10 classes."""

from pathlib import Path

import numpy as np
from torchvision.datasets import SVHN

from infovae.data.examples import DataSet, Examples
from infovae.data.torchvision_sets import labelled, read_two_splits


def svhn(root: str, extra: bool = False, download: bool = True) -> DataSet:
    """Read SVHN's cropped digits from ``root/svhn``, as :func:`~infovae.data.torchvision_sets.read_sets` does.

    The files call the digit 0 class 10; here, as in torchvision, it is class 0.

    Args:
        extra: whether to train on the 531,131 easier images of the extra split too (1.6 GB more in memory).
    """
    folder = Path(root) / "svhn"
    trained = ("train", "extra") if extra else ("train",)

    def part(train: bool, download: bool) -> Examples:
        read = [SVHN(folder, split=name, download=download) for name in (trained if train else ("test",))]
        return labelled(np.concatenate([data.data for data in read]), np.concatenate([data.labels for data in read]))

    files = [SVHN.split_list[name][1] for name in (*trained, "test")]
    return read_two_splits("SVHN", root, folder, files, download, part)
