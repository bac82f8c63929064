"""EMNIST (Cohen, Afshar, Tapson, van Schaik 2017): handwritten digits and letters, 28 x 28."""

from typing import Literal

from torchvision.datasets import EMNIST

from infovae.data.examples import DataSet, Examples
from infovae.data.torchvision_sets import labelled, raw_folder, read_two_splits


def emnist(
    root: str,
    split: Literal["byclass", "bymerge", "balanced", "letters", "digits", "mnist"] = "balanced",
    download: bool = True,
) -> DataSet:
    """Read EMNIST from ``root/EMNIST/raw``, as :func:`~infovae.data.torchvision_sets.read_sets` does.

    The files hold every image transposed, and torchvision leaves it so; here it stands upright. Labels count from 0
    in every split: the labels of ``letters``, 1 to 26 in its files, become 0 to 25.

    Args:
        split: ``byclass`` (697,932 + 116,323, 62 classes), ``bymerge`` (the same images, 47 classes), ``balanced``
            (112,800 + 18,800, 47), ``letters`` (124,800 + 20,800, 26), ``digits`` (240,000 + 40,000, 10) or
            ``mnist`` (60,000 + 10,000, 10).
    """
    kinds = ("images-idx3-ubyte", "labels-idx1-ubyte")
    files = [f"emnist-{split}-{part}-{kind}" for part in ("train", "test") for kind in kinds]
    first_label = 1 if split == "letters" else 0

    def part(train: bool, download: bool) -> Examples:
        data = EMNIST(root, split=split, train=train, download=download)
        return labelled(data.data.transpose(1, 2), data.targets - first_label, data.classes[first_label:])

    return read_two_splits(f"EMNIST {split}", root, raw_folder(EMNIST, root), files, download, part)
