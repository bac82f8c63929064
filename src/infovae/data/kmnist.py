"""Kuzushiji-MNIST (Clanuwat et al. 2018): 60,000 + 10,000 cursive Japanese characters, 28 x 28, in 10 classes."""

from torchvision.datasets import KMNIST

from infovae.data.idx_sets import idx_sets
from infovae.data.images import ImageSets


def kmnist(root: str, download: bool = True) -> ImageSets:
    """Read KMNIST through torchvision, from ``root/KMNIST/raw``.

    Args:
        root: the folder of data sets.
        download: whether to fetch what is missing.

    Raises:
        OSError: the files can't be had; one line that says which, and where they are expected.
    """
    return idx_sets(KMNIST, "KMNIST", root, download)
