"""EMNIST (Cohen, Afshar, Tapson, van Schaik 2017): handwritten digits and letters, 28 x 28."""

from typing import Literal

from torchvision.datasets import EMNIST

from infovae.data.idx_sets import raw_folder
from infovae.data.images import ImageSets, LabelledImages
from infovae.data.torchvision_sets import labelled, read_sets

Split = Literal["byclass", "bymerge", "balanced", "letters", "digits", "mnist"]


def emnist(root: str, split: Split = "balanced", download: bool = True) -> ImageSets:
    """Read EMNIST through torchvision, from ``root/EMNIST/raw``.

    The files hold every image transposed, and torchvision leaves it so; here it stands upright. Labels count from 0
    in every split: those of ``letters``, 1 to 26 in its files, become 0 to 25.

    Args:
        root: the folder of data sets.
        split: ``byclass`` (697,932 + 116,323, 62 classes), ``bymerge`` (the same images, 47 classes), ``balanced``
            (112,800 + 18,800, 47), ``letters`` (124,800 + 20,800, 26), ``digits`` (240,000 + 40,000, 10) or
            ``mnist`` (60,000 + 10,000, 10).
        download: whether to fetch what is missing.

    Raises:
        OSError: the files can't be had; one line that says which, and where they are expected.
    """
    files = [
        f"emnist-{split}-{part}-{kind}"
        for part in ("train", "test")
        for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
    ]
    first_label = 1 if split == "letters" else 0

    def part(train: bool, fetch: bool) -> LabelledImages:
        data = EMNIST(root, split=split, train=train, download=download and fetch)
        return labelled(data.data.transpose(1, 2), data.targets - first_label)

    def read(fetch: bool) -> ImageSets:
        return ImageSets(part(True, fetch), part(False, fetch))

    return read_sets(f"EMNIST {split}", root, raw_folder(EMNIST, root), files, download, read)
