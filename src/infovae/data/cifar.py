"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009): 50,000 + 10,000 photographs in colour, 32 x 32."""

from pathlib import Path

from torchvision.datasets import CIFAR10, CIFAR100

from infovae.data.examples import DataSet, Examples
from infovae.data.torchvision_sets import labelled, read_two_splits


def cifar10(root: str, download: bool = True) -> DataSet:
    """Read CIFAR-10 from ``root/cifar-10-batches-py``, as :func:`~infovae.data.torchvision_sets.read_sets` does."""
    return _cifar(CIFAR10, "CIFAR-10", root, download)


def cifar100(root: str, download: bool = True) -> DataSet:
    """Read CIFAR-100, with its 100 fine classes, from ``root/cifar-100-python``, as :func:`cifar10` does."""
    return _cifar(CIFAR100, "CIFAR-100", root, download)


def _cifar(dataset: type[CIFAR10], name: str, root: str, download: bool) -> DataSet:
    files = [*(file for file, _ in dataset.train_list + dataset.test_list), dataset.meta["filename"]]

    def part(train: bool, download: bool) -> Examples:
        # torchvision compares checksums before it unpickles anything.
        data = dataset(root, train=train, download=download)
        return labelled(data.data.transpose(0, 3, 1, 2), data.targets, data.classes)

    return read_two_splits(name, root, Path(root) / dataset.base_folder, files, download, part)
