"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009): 50,000 + 10,000 photographs in colour, 32 x 32."""

from pathlib import Path

from torchvision.datasets import CIFAR10, CIFAR100

from infovae.data.images import ImageSets, LabelledImages
from infovae.data.torchvision_sets import labelled, read_sets


def cifar10(root: str, download: bool = True) -> ImageSets:
    """Read CIFAR-10 (10 classes) through torchvision, from ``root/cifar-10-batches-py``.

    Args:
        root: the folder of data sets.
        download: whether to fetch what is missing.

    Raises:
        OSError: the files can't be had; one line that says which, and where they are expected.
    """
    return _cifar(CIFAR10, "CIFAR-10", root, download)


def cifar100(root: str, download: bool = True) -> ImageSets:
    """Read CIFAR-100 (its 100 fine classes) through torchvision, from ``root/cifar-100-python``.

    Args:
        root: the folder of data sets.
        download: whether to fetch what is missing.

    Raises:
        OSError: the files can't be had; one line that says which, and where they are expected.
    """
    return _cifar(CIFAR100, "CIFAR-100", root, download)


def _cifar(dataset: type[CIFAR10], name: str, root: str, download: bool) -> ImageSets:
    files = [*(file for file, _ in dataset.train_list + dataset.test_list), dataset.meta["filename"]]

    def part(train: bool, fetch: bool) -> LabelledImages:
        # torchvision compares checksums before it unpickles anything.
        data = dataset(root, train=train, download=download and fetch)
        return labelled(data.data.transpose(0, 3, 1, 2), data.targets)

    def read(fetch: bool) -> ImageSets:
        return ImageSets(part(True, fetch), part(False, fetch))

    return read_sets(name, root, Path(root) / dataset.base_folder, files, download, read)
