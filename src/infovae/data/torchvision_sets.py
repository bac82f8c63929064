"""From torchvision's data sets to ours, and from their errors to one line."""

import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from infovae.data.images import LabelledImages
from infovae.runs.lock import no_empty_folders, one_at_a_time

Array = np.ndarray | Tensor
Sets = TypeVar("Sets")

TORCHVISIONS_ADVICE = "You can use download=True to download it"
"""Which names none of our keys."""


def labelled(images: Array, labels: Array | Sequence[int]) -> LabelledImages:
    """Bytes as a torchvision data set holds them, with a channel axis where it has none.

    Args:
        images: (n, h, w) or (n, c, h, w), uint8.
        labels: (n,), whole numbers.

    Raises:
        ValueError: no images, or not one label for each.
    """
    pixels = torch.as_tensor(np.ascontiguousarray(images))
    classes = torch.as_tensor(np.asarray(labels, dtype=np.int64))
    if not len(pixels) or len(pixels) != len(classes):
        raise ValueError(f"{len(pixels)} images and {len(classes)} labels")
    return LabelledImages(pixels.unsqueeze(1) if pixels.ndim == 3 else pixels, classes)


def read_sets(
    name: str, root: str, folder: Path, files: Sequence[str], download: bool, read: Callable[[bool], Sets]
) -> Sets:
    """Read a set; where that needs files to be fetched or unpacked, by one process at a time.

    Whatever the reader stumbles over is told in one line, and no archive writes outside its folder.

    Args:
        name: of the set.
        root: the folder of data sets, as configured.
        folder: where the set's files are expected.
        files: which they are, as paths from there.
        download: whether the network may be tried.
        read: reads the set; told whether it may fetch and unpack what is missing.

    Raises:
        OSError: names the files that are missing, those that are expected, and where.
    """
    with suppress(Exception):  # damaged bytes can make a reader raise anything, and so can those still being written
        return read(False)
    with _told(name, root, folder, files, download), _confined_archives(), fetching(root, folder, name, download):
        return read(True)


@contextmanager
def fetching(root: str, folder: Path, name: str, download: bool) -> Iterator[None]:
    """Be the one process that fetches or unpacks a set; a failure leaves neither a lock nor empty folders.

    Args:
        root: the folder of data sets; made where something may be downloaded.
        folder: of the set.
        name: of the set.
        download: whether the network may be tried.
    """
    with no_empty_folders(folder):
        if download:
            Path(root).mkdir(parents=True, exist_ok=True)
        with one_at_a_time(Path(root) / f".{name}.lock"):
            yield


@contextmanager
def _told(name: str, root: str, folder: Path, files: Sequence[str], download: bool) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        missing = [file for file in files if not (folder / file).exists()]
        reason = (" ".join(str(error).split()) or type(error).__name__).replace(TORCHVISIONS_ADVICE, "").rstrip(". ")
        if not missing:
            state, tried, expected = "damaged", f" ({reason})", f"sound files {', '.join(files)}"
        else:
            state, expected = f"missing ({', '.join(missing)})", "these files"
            tried = f" (the download failed: {reason})" if download else ", and data.source.download=false"
        advice = "" if download else ", or data.source.download=true, which fetches what is missing"
        raise OSError(
            f"data.root={root}: {name} is {state} in {folder}{tried}; accepted: {expected} there{advice}"
        ) from error


@contextmanager
def _confined_archives() -> Iterator[None]:
    """Refuse a member of a tar archive that leads elsewhere.

    torchvision extracts with Python's default filter, which before Python 3.14 trusts any path. Zip archives need no
    such care: zipfile drops the parts of a path that would lead out.
    """
    trusting = vars(tarfile.TarFile)["extraction_filter"]
    tarfile.TarFile.extraction_filter = staticmethod(tarfile.data_filter)
    try:
        yield
    finally:
        tarfile.TarFile.extraction_filter = trusting
