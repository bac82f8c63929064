"""CelebA (Liu, Luo, Wang, Tang 2015): 202,599 aligned photographs of faces, 178 x 218, with 40 attributes."""

import os
from functools import partial
from pathlib import Path

import torch
from torchvision.datasets import CelebA
from torchvision.datasets.utils import check_integrity, extract_archive

from infovae.data.examples import DataSet, Examples
from infovae.data.fitting import read_middle
from infovae.data.image_files import ImageFiles
from infovae.data.memory import Streaming, is_held
from infovae.data.torchvision_sets import read_sets
from infovae.errors import ArgumentError, require_at_least

IMAGES = "img_align_celeba"
WIDTH = 178


def celeba(
    root: str,
    label: str = "Male",
    size: int = 64,
    crop: int = 140,
    streaming: Streaming = "auto",
    download: bool = True,
) -> DataSet:
    """Read CelebA from ``root/celeba``, in its own three splits of 162,770 + 19,867 + 19,962 faces.

    No person is in two splits. The images may be in their archive or unpacked.

    Args:
        root: the folder of data sets.
        label: the attribute that is the label (1 if a face has it), or ``identity``, one of 10,177 people.
        size: pixels on a side that a model sees.
        crop: pixels on a side of the central square, which is scaled to ``size``; Tolstikhin et al. 2018
            (Wasserstein auto-encoders) use 140 with 64.
        streaming: ``auto`` holds the images if they fit in memory (2.3 GiB at 64 pixels, and as much again while
            they are split) and else leaves them in their files; ``always`` leaves them there; ``never`` holds them,
            and refuses if they don't fit.
        download: whether to fetch missing files from Google Drive, for which torchvision needs gdown.

    Raises:
        ArgumentError: files are missing or damaged, the attribute is unknown, or a face doesn't have this size or crop.
    """
    require_at_least(1, size=size)
    if not 1 <= crop <= WIDTH:
        raise ArgumentError("crop", crop, f"whole numbers from 1 to {WIDTH}")
    folder = Path(root) / CelebA.base_folder
    files = [name for *_, name in CelebA.file_list if name != f"{IMAGES}.zip" or not (folder / IMAGES).is_dir()]

    def read(fetch: bool) -> list[CelebA]:
        return [_split(root, split, download, fetch) for split in ("train", "valid", "test")]

    train, validation, test = read_sets("CelebA", root, folder, files, download, read)
    held = is_held("root", root, (len(train) + len(validation) + len(test)) * 3 * size**2, streaming)

    def part(data: CelebA) -> Examples:
        faces = ImageFiles(folder / IMAGES, data.filename, partial(read_middle, crop=crop, size=size), (3, size, size))
        classes = None if label == "identity" else (f"not {label}", label)
        return Examples(_hold(faces, root) if held else faces, _labels(data, label), None, faces.names, classes)

    return DataSet(part(train), part(test), part(validation))


def _split(root: str, split: str, download: bool, fetch: bool) -> CelebA:
    folder = Path(root) / CelebA.base_folder
    if fetch and not (folder / IMAGES).is_dir():
        _unpack(folder)
    data = CelebA(root, split=split, download=download and fetch)
    absent = set(data.filename).difference(os.listdir(folder / IMAGES))
    if fetch and absent:
        # An earlier unpacking may have been interrupted.
        _unpack(folder)
        absent = absent.difference(os.listdir(folder / IMAGES))
    if absent:
        raise OSError(f"{len(absent)} images are missing in {IMAGES}, the first is {min(absent)}")
    return data


def _unpack(folder: Path) -> None:
    """Unpack the archive, if it is whole; torchvision unpacks only what it has just downloaded."""
    (md5,) = (md5 for _, md5, name in CelebA.file_list if name == f"{IMAGES}.zip")
    if check_integrity(folder / f"{IMAGES}.zip", md5):
        extract_archive(folder / f"{IMAGES}.zip", folder)


def _labels(data: CelebA, label: str) -> torch.Tensor:
    if label == "identity":
        return data.identity[:, 0] - 1
    if label not in data.attr_names:
        raise ArgumentError("label", label, f"identity, {', '.join(filter(None, data.attr_names))}")
    return data.attr[:, data.attr_names.index(label)]


def _hold(faces: ImageFiles, root: str) -> torch.Tensor:
    images = torch.empty(faces.shape, dtype=torch.uint8)
    problems = zip(faces.names, faces.read_all(images), strict=True)
    if bad := [f"{name} ({problem})" for name, problem in problems if problem]:
        found = f"{len(bad)} of {len(faces)} images can't be read, the first is {bad[0]}"
        why = f"CelebA is damaged in {faces.folder} ({found})"
        raise ArgumentError("root", root, f"the images as they are in {IMAGES}.zip", why)
    return images
