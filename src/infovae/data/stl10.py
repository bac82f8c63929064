"""STL-10 (Coates, Lee, Ng 2011): 113,000 photographs in colour, 96 x 96; 13,000 of them in 10 classes."""

from pathlib import Path
from typing import Literal

import numpy as np
from torchvision.datasets import STL10

from infovae.data.images import ImageSets, LabelledImages
from infovae.data.torchvision_sets import labelled, read_sets

UNLABELLED = 10
"""The label of images that have none: a class of their own."""


def stl10(
    root: str, train: Literal["train", "unlabeled", "train+unlabeled"] = "train", download: bool = True
) -> ImageSets:
    """Read STL-10 through torchvision, from ``root/stl10_binary``.

    Args:
        root: the folder of data sets.
        train: which images to train on: the 5,000 labelled ones, the 100,000 unlabelled ones (2.8 GB in memory,
            and as much again while they are split), or both. Unlabelled ones get the label 10.
        download: whether to fetch what is missing.

    Raises:
        OSError: the files can't be had; one line that says which, and where they are expected.
    """
    files = [file for file, _ in STL10.train_list + STL10.test_list]

    def part(split: str, fetch: bool) -> LabelledImages:
        data = STL10(root, split=split, download=download and fetch)
        labels = data.labels.astype(np.int64)
        return labelled(data.data, np.where(labels < 0, UNLABELLED, labels))

    def read(fetch: bool) -> ImageSets:
        return ImageSets(part(train, fetch), part("test", fetch))

    return read_sets("STL-10", root, Path(root) / STL10.base_folder, files, download, read)
