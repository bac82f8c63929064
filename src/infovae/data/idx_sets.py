"""What the sets in MNIST's own file format share."""

from pathlib import Path

from torchvision.datasets import MNIST

from infovae.data.images import ImageSets, LabelledImages
from infovae.data.torchvision_sets import labelled, read_sets

NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def idx_sets(dataset: type[MNIST], name: str, root: str, download: bool) -> ImageSets:
    """A set that torchvision reads as it does MNIST, from ``root/<class name>/raw``.

    Raises:
        OSError: the files can't be had; one line that says which, and where they are expected.
    """

    def part(train: bool, fetch: bool) -> LabelledImages:
        data = dataset(root, train=train, download=download and fetch)
        return labelled(data.data, data.targets)

    def read(fetch: bool) -> ImageSets:
        return ImageSets(part(True, fetch), part(False, fetch))

    return read_sets(name, root, raw_folder(dataset, root), NAMES, download, read)


def raw_folder(dataset: type[MNIST], root: str) -> Path:
    """Where torchvision looks for the unpacked files."""
    return Path(root) / dataset.__name__ / "raw"
