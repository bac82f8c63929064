"""STL-10 (Coates, Lee, Ng 2011): 113,000 photographs in colour, 96 x 96; 13,000 of them in 10 classes."""

from pathlib import Path
from typing import Literal

import numpy as np
from torchvision.datasets import STL10

from infovae.data.examples import DataSet, Examples
from infovae.data.torchvision_sets import labelled, read_two_splits


def stl10(
    root: str, train: Literal["train", "unlabeled", "train+unlabeled"] = "train", download: bool = True
) -> DataSet:
    """Read STL-10 from ``root/stl10_binary``, as :func:`~infovae.data.torchvision_sets.read_sets` does.

    Args:
        train: which images to train on: the 5,000 labelled ones, the 100,000 unlabelled ones (2.8 GB in memory,
            and as much again while they are split), or both. Unlabelled images are class 10.
    """
    files = [file for file, _ in STL10.train_list + STL10.test_list]

    def part(is_train: bool, download: bool) -> Examples:
        data = STL10(root, split=train if is_train else "test", download=download)
        labels = data.labels.astype(np.int64)
        classes = [*getattr(data, "classes", map(str, range(10))), "unlabelled"]  # the file of names may be missing
        return labelled(data.data, np.where(labels < 0, 10, labels), classes)

    return read_two_splits("STL-10", root, Path(root) / STL10.base_folder, files, download, part)
