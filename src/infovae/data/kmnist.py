"""Kuzushiji-MNIST (Clanuwat et al. 2018): 60,000 + 10,000 cursive Japanese characters, 28 x 28, in 10 classes."""

from torchvision.datasets import KMNIST

from infovae.data.examples import DataSet
from infovae.data.torchvision_sets import read_mnist_format


def kmnist(root: str, download: bool = True) -> DataSet:
    """Read KMNIST from ``root/KMNIST/raw``, as :func:`~infovae.data.torchvision_sets.read_sets` does."""
    return read_mnist_format(KMNIST, "KMNIST", root, download)
