"""SVHN (Netzer et al. 2011): 73,257 + 26,032 cropped house numbers in colour, 32 x 32, in 10 classes."""

from pathlib import Path

import numpy as np
from torchvision.datasets import SVHN

from infovae.data.images import ImageSets, LabelledImages
from infovae.data.torchvision_sets import labelled, read_sets


def svhn(root: str, extra: bool = False, download: bool = True) -> ImageSets:
    """Read SVHN's cropped digits through torchvision, from ``root/svhn``.

    The files call the digit 0 class 10; here, as in torchvision, it is class 0.

    Args:
        root: the folder of data sets.
        extra: train on the 531,131 easier images of the extra split too (1.6 GB more in memory).
        download: whether to fetch what is missing.

    Raises:
        OSError: the files can't be had; one line that says which, and where they are expected.
    """
    folder = Path(root) / "svhn"
    train = ("train", "extra") if extra else ("train",)

    def part(*names: str, fetch: bool) -> LabelledImages:
        read = [SVHN(folder, split=name, download=download and fetch) for name in names]
        return labelled(np.concatenate([data.data for data in read]), np.concatenate([data.labels for data in read]))

    def read(fetch: bool) -> ImageSets:
        return ImageSets(part(*train, fetch=fetch), part("test", fetch=fetch))

    files = [SVHN.split_list[name][1] for name in (*train, "test")]
    return read_sets("SVHN", root, folder, files, download, read)
