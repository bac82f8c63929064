"""Fashion-MNIST (Xiao, Rasul, Vollgraf 2017): 60,000 + 10,000 articles of clothing, 28 x 28, in 10 classes."""

from torchvision.datasets import FashionMNIST

from infovae.data.idx_sets import idx_sets
from infovae.data.images import ImageSets


def fashion_mnist(root: str, download: bool = True) -> ImageSets:
    """Read Fashion-MNIST through torchvision, from ``root/FashionMNIST/raw``.

    Args:
        root: the folder of data sets.
        download: whether to fetch what is missing.

    Raises:
        OSError: the files can't be had; one line that says which, and where they are expected.
    """
    return idx_sets(FashionMNIST, "Fashion-MNIST", root, download)
