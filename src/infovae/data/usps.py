"""USPS (Hull 1994): 7,291 + 2,007 digits from envelopes, 16 x 16, in 10 classes."""

from pathlib import Path

from torchvision.datasets import USPS

from infovae.data.images import ImageSets, LabelledImages
from infovae.data.torchvision_sets import labelled, read_sets

FILES = ("usps.bz2", "usps.t.bz2")


def usps(root: str, download: bool = True) -> ImageSets:
    """Read USPS through torchvision, from ``root/usps``.

    Args:
        root: the folder of data sets.
        download: whether to fetch what is missing.

    Raises:
        OSError: the files can't be had; one line that says which, and where they are expected.
    """
    folder = Path(root) / "usps"

    def part(train: bool, fetch: bool) -> LabelledImages:
        data = USPS(folder, train=train, download=download and fetch)
        return labelled(data.data, data.targets)

    def read(fetch: bool) -> ImageSets:
        return ImageSets(part(True, fetch), part(False, fetch))

    return read_sets("USPS", root, folder, FILES, download, read)
