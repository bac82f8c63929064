"""MNIST (LeCun, Cortes, Burges 1998): 60,000 + 10,000 digits of 28 x 28, in 10 classes."""

import gzip
import hashlib
import os
import tempfile
from pathlib import Path

import torch
from torchvision.datasets import MNIST

from infovae.data.examples import DataSet, Examples
from infovae.data.torchvision_sets import fetching, raw_folder
from infovae.errors import ArgumentError

SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""Checksums of the unpacked files, so that the compression of an archive doesn't matter."""


def mnist(root: str, download: bool = True) -> DataSet:
    """Read MNIST through torchvision.

    Looks for the four unpacked files in ``root/MNIST/raw``, where torchvision puts them, then for their archives in
    ``root/mnist``, which come with the repository. What is still missing, torchvision downloads.

    Args:
        root: the folder of data sets.
        download: whether to fetch missing and damaged files.

    Raises:
        ArgumentError: files are missing or damaged, or ``root`` can't be written; one line says which.
    """
    raw = raw_folder(MNIST, root)
    if _bad_files(root, raw):
        with fetching(root, raw, "MNIST", download):
            if bad := _bad_files(root, raw):
                _download(root, raw, bad, download)
    return DataSet(_read(root, train=True), _read(root, train=False))


def _bad_files(root: str, raw: Path) -> list[str]:
    """Return the files that are missing or damaged, and not among the bundled archives."""
    return [name for name in SHA256 if not _is_sound(raw / name) and not _unpack(root, raw, name)]


def _read(root: str, train: bool) -> Examples:
    data = MNIST(root, train=train)
    return Examples(data.data.unsqueeze(1), data.targets.to(torch.int64))


def _is_sound(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == SHA256[path.name]


def _unpack(root: str, raw: Path, name: str) -> bool:
    """Unpack a bundled archive, and return whether that gave a sound file."""
    archive = Path(root) / "mnist" / f"{name}.gz"
    try:
        content = gzip.decompress(archive.read_bytes())
    except (OSError, EOFError, ValueError):  # missing, unreadable, or not a gzip archive
        return False
    if hashlib.sha256(content).hexdigest() != SHA256[name]:
        return False
    try:
        raw.mkdir(parents=True, exist_ok=True)
        # Written aside and renamed, so that a process that reads meanwhile sees a whole file or none.
        with tempfile.NamedTemporaryFile(dir=raw, delete=False) as file:
            file.write(content)
        os.replace(file.name, raw / name)
    except OSError as error:
        raise ArgumentError("root", root, "a writable folder", f"can't write {raw} ({error.strerror})") from error
    return True


def _download(root: str, raw: Path, bad: list[str], download: bool) -> None:
    reason = "and download=false"
    if download:
        try:
            for name in bad:
                (raw / name).unlink(missing_ok=True)
            MNIST(root, download=True)
            bad = [name for name in bad if not _is_sound(raw / name)]
            reason = "also after a download"
        except (OSError, RuntimeError) as error:
            reason = f"and the download failed ({' '.join(str(error).split()) or type(error).__name__})"
    if bad:
        raise ArgumentError(
            "root", root,
            f"sound archives in {Path(root) / 'mnist'}, unpacked files in {raw}, or root=CLONE/data of a clone of this "
            "project, which brings MNIST",
            f"MNIST is missing or damaged: {', '.join(bad)} {reason}",
        )  # fmt: skip
