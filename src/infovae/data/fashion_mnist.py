"""Fashion-MNIST (Xiao, Rasul, Vollgraf 2017): 60,000 + 10,000 articles of clothing, 28 x 28, in 10 classes."""

from torchvision.datasets import FashionMNIST

from infovae.data.examples import DataSet
from infovae.data.torchvision_sets import read_mnist_format


def fashion_mnist(root: str, download: bool = True) -> DataSet:
    """Read Fashion-MNIST from ``root/FashionMNIST/raw``, as :func:`~infovae.data.torchvision_sets.read_sets` does."""
    return read_mnist_format(FashionMNIST, "Fashion-MNIST", root, download)
