"""Read data sets through torchvision, and report its errors in one line."""

import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torchvision.datasets import MNIST

from infovae.data.examples import DataSet, Examples
from infovae.errors import ArgumentError, reason_of
from infovae.runs.lock import no_empty_folders, one_at_a_time

Array = np.ndarray | Tensor
Sets = TypeVar("Sets")

TORCHVISIONS_ADVICE = "You can use download=True to download it"
"""We give this advice ourselves, where it applies."""


def labelled(images: Array, labels: Array | Sequence[int], classes: Sequence[str] | None = None) -> Examples:
    """Return the bytes of a torchvision data set, with a channel axis.

    Args:
        images: (n, h, w) or (n, c, h, w), uint8.
        labels: (n,), integers.
        classes: their names.

    Raises:
        ValueError: there are no images, or not one label for each.
    """
    pixels = torch.as_tensor(np.ascontiguousarray(images))
    numbers = torch.as_tensor(np.asarray(labels, dtype=np.int64))
    if not len(pixels) or len(pixels) != len(numbers):
        raise ValueError(f"{len(pixels)} images and {len(numbers)} labels")
    names = None if classes is None else tuple(classes)
    return Examples(pixels.unsqueeze(1) if pixels.ndim == 3 else pixels, numbers, classes=names)


def read_sets(
    name: str, root: str, folder: Path, files: Sequence[str], download: bool, read: Callable[[bool], Sets]
) -> Sets:
    """Read a set. One process at a time downloads and unpacks, and no archive writes outside its folder.

    Args:
        name: the set's name, for messages.
        root: the folder of data sets.
        folder: where the set's files are expected.
        files: their paths, relative to ``folder``.
        download: whether to fetch missing files.
        read: ``read(fetch)`` returns the set; it may download or unpack only if ``fetch`` is true.

    Raises:
        ArgumentError: files are missing or damaged; one line says which, and where they are expected.
    """
    with suppress(Exception):  # damaged or half-written files can make a reader raise anything
        return read(False)
    try:
        with _confined_archives(), fetching(root, folder, name, download):
            return read(True)
    except Exception as error:
        missing = [file for file in files if not (folder / file).exists()]
        reason = reason_of(error).replace(TORCHVISIONS_ADVICE, "").rstrip(". ")
        if not missing:
            state, tried, expected = "damaged", f" ({reason})", f"sound files {', '.join(files)}"
        else:
            state, expected = f"missing ({', '.join(missing)})", "these files"
            tried = f" (the download failed: {reason})" if download else ", and download=false"
        advice = "" if download else ", or download=true, which fetches what is missing"
        why = f"{name} is {state} in {folder}{tried}"
        raise ArgumentError("root", root, f"{expected} there{advice}", why) from error


def read_two_splits(
    name: str,
    root: str,
    folder: Path,
    files: Sequence[str],
    download: bool,
    part: Callable[[bool, bool], Examples],
) -> DataSet:
    """Read a set that has a train and a test split.

    ``part(train, download)`` reads one of them; for the rest, see :func:`read_sets`.
    """

    def read(fetch: bool) -> DataSet:
        return DataSet(part(True, download and fetch), part(False, download and fetch))

    return read_sets(name, root, folder, files, download, read)


def read_mnist_format(dataset: type[MNIST], name: str, root: str, download: bool) -> DataSet:
    """Read a set that is distributed as MNIST's four files; arguments and errors are those of :func:`read_sets`."""
    kinds = ("images-idx3-ubyte", "labels-idx1-ubyte")
    files = [f"{part}-{kind}" for part in ("train", "t10k") for kind in kinds]

    def part(train: bool, download: bool) -> Examples:
        data = dataset(root, train=train, download=download)
        return labelled(data.data, data.targets, data.classes)

    return read_two_splits(name, root, raw_folder(dataset, root), files, download, part)


def raw_folder(dataset: type[MNIST], root: str) -> Path:
    """Return the folder in which torchvision looks for the unpacked files of a set like MNIST."""
    return Path(root) / dataset.__name__ / "raw"


@contextmanager
def fetching(root: str, folder: Path, name: str, download: bool) -> Iterator[None]:
    """Lock out other processes while a set is fetched or unpacked. A failure leaves no lock and no empty folder.

    Arguments are those of :func:`read_sets`; ``root`` is created if ``download`` is true.
    """
    with no_empty_folders(folder):
        if download:
            Path(root).mkdir(parents=True, exist_ok=True)
        with one_at_a_time(Path(root) / f".{name}.lock"):
            yield


@contextmanager
def _confined_archives() -> Iterator[None]:
    """Refuse members of a tar archive that lead out of its folder.

    torchvision extracts with Python's default filter, which trusts any path before Python 3.14. Zip archives need no
    such care, because zipfile drops the parts of a path that would lead out.
    """
    trusting = vars(tarfile.TarFile)["extraction_filter"]
    tarfile.TarFile.extraction_filter = staticmethod(tarfile.data_filter)
    try:
        yield
    finally:
        tarfile.TarFile.extraction_filter = trusting
