"""USPS (Hull 1994): 7,291 + 2,007 digits from envelopes, 16 x 16, in 10 classes."""

from pathlib import Path

from torchvision.datasets import USPS

from infovae.data.examples import DataSet, Examples
from infovae.data.torchvision_sets import labelled, read_two_splits


def usps(root: str, download: bool = True) -> DataSet:
    """Read USPS from ``root/usps``, as :func:`~infovae.data.torchvision_sets.read_sets` does."""
    folder = Path(root) / "usps"

    def part(train: bool, download: bool) -> Examples:
        data = USPS(folder, train=train, download=download)
        return labelled(data.data, data.targets)

    return read_two_splits("USPS", root, folder, ["usps.bz2", "usps.t.bz2"], download, part)
