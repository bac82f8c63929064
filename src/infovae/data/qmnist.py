"""QMNIST (Yadav, Bottou 2019): MNIST rebuilt from NIST's digits, with all 60,000 test images, 28 x 28."""

from typing import Literal

from torchvision.datasets import QMNIST

from infovae.data.idx_sets import raw_folder
from infovae.data.images import ImageSets, LabelledImages
from infovae.data.torchvision_sets import labelled, read_sets

FILES = (
    "qmnist-train-images-idx3-ubyte",
    "qmnist-train-labels-idx2-int",
    "qmnist-test-images-idx3-ubyte",
    "qmnist-test-labels-idx2-int",
)


def qmnist(root: str, test: Literal["test", "test10k", "test50k"] = "test", download: bool = True) -> ImageSets:
    """Read QMNIST through torchvision, from ``root/QMNIST/raw``.

    Its labels are rows of eight numbers (class, writer, ...); the class is kept.

    Args:
        root: the folder of data sets.
        test: all 60,000 test images, the 10,000 that match MNIST's, or the 50,000 that MNIST left out.
        download: whether to fetch what is missing.

    Raises:
        OSError: the files can't be had; one line that says which, and where they are expected.
    """

    def part(what: str, fetch: bool) -> LabelledImages:
        data = QMNIST(root, what=what, download=download and fetch)
        return labelled(data.data, data.targets[:, 0])

    def read(fetch: bool) -> ImageSets:
        return ImageSets(part("train", fetch), part(test, fetch))

    return read_sets("QMNIST", root, raw_folder(QMNIST, root), FILES, download, read)
