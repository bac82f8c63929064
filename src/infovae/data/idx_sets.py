"""What the sets in MNIST's own file format share."""

from pathlib import Path

from torchvision.datasets import MNIST

from infovae.data.images import ImageSets, LabelledImages
from infovae.data.torchvision_sets import labelled, reading

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

    def part(train: bool) -> LabelledImages:
        data = dataset(root, train=train, download=download)
        return labelled(data.data, data.targets)

    with reading(name, root, raw_folder(dataset, root), NAMES, download):
        return ImageSets(part(train=True), part(train=False))


def raw_folder(dataset: type[MNIST], root: str) -> Path:
    """Where torchvision looks for the unpacked files."""
    return Path(root) / dataset.__name__ / "raw"
