"""CelebA (Liu, Luo, Wang, Tang 2015): 202,599 aligned photographs of faces, 178 x 218, with 40 attributes."""

import os
from functools import partial
from pathlib import Path

import torch
from torchvision.datasets import CelebA
from torchvision.datasets.utils import check_integrity, extract_archive

from infovae.data.fitting import read_middle
from infovae.data.image_files import ImageFiles
from infovae.data.images import ImageSets, LabelledImages
from infovae.data.memory import Streaming, is_held
from infovae.data.torchvision_sets import read_sets

IMAGES = "img_align_celeba"
WIDTH = 178


def celeba(
    root: str,
    label: str = "Male",
    size: int = 64,
    crop: int = 140,
    streaming: Streaming = "auto",
    download: bool = True,
) -> ImageSets:
    """Read CelebA through torchvision, from ``root/celeba``: 162,770 + 19,867 + 19,962 faces in its own three splits.

    Nobody's face is in two of them. The images may be in their archive or unpacked.

    Args:
        root: the folder of data sets.
        label: which attribute the label tells (1 where a face has it), or ``identity``: which of the 10,177 people.
        size: pixels on a side, of what a model sees.
        crop: pixels on a side, of the square in the middle that is scaled to this size; 140, with 64, are those of
            Tolstikhin et al. 2018 (Wasserstein auto-encoders).
        streaming: ``auto`` holds the images where they fit in memory (2.3 GiB at 64 pixels, and as much again while
            they are split) and otherwise leaves them in their files; ``always`` leaves them, ``never`` refuses then.
        download: whether to fetch what is missing, from Google Drive, for which torchvision needs gdown.

    Raises:
        OSError: the files can't be had; one line that says which, and where they are expected.
        ValueError: no such attribute, or a size or crop that a face doesn't have.
    """
    for name, value, most in (("size", size, None), ("crop", crop, WIDTH)):
        if value < 1 or (most and value > most):
            raise ValueError(
                f"source.{name}={value}: invalid; accepted: whole numbers from 1{f' to {most}' if most else ''}"
            )
    folder = Path(root) / CelebA.base_folder
    files = [name for *_, name in CelebA.file_list if name != f"{IMAGES}.zip" or not (folder / IMAGES).is_dir()]

    def read(fetch: bool) -> list[CelebA]:
        return [_split(root, split, download, fetch) for split in ("train", "valid", "test")]

    train, validation, test = read_sets("CelebA", root, folder, files, download, read)
    held = is_held(f"data.root={root}", (len(train) + len(validation) + len(test)) * 3 * size**2, streaming)

    def part(data: CelebA) -> LabelledImages:
        faces = ImageFiles(folder / IMAGES, data.filename, partial(read_middle, crop=crop, size=size), (3, size, size))
        return LabelledImages(_hold(faces, root) if held else faces, _labels(data, label))

    return ImageSets(part(train), part(test), part(validation))


def _split(root: str, split: str, download: bool, fetch: bool) -> CelebA:
    folder = Path(root) / CelebA.base_folder
    if fetch and not (folder / IMAGES).is_dir():
        _unpack(folder)
    data = CelebA(root, split=split, download=download and fetch)
    absent = set(data.filename).difference(os.listdir(folder / IMAGES))
    if fetch and absent:
        # Unpacking was interrupted, it seems.
        _unpack(folder)
        absent = absent.difference(os.listdir(folder / IMAGES))
    if absent:
        raise OSError(f"{len(absent)} images are missing in {IMAGES}, the first is {min(absent)}")
    return data


def _unpack(folder: Path) -> None:
    """Torchvision unpacks only what it has just downloaded."""
    (md5,) = (md5 for _, md5, name in CelebA.file_list if name == f"{IMAGES}.zip")
    if check_integrity(folder / f"{IMAGES}.zip", md5):
        extract_archive(folder / f"{IMAGES}.zip", folder)


def _labels(data: CelebA, label: str) -> torch.Tensor:
    if label == "identity":
        return data.identity[:, 0] - 1
    if label not in data.attr_names:
        raise ValueError(
            f"source.label={label}: invalid; accepted: identity, {', '.join(filter(None, data.attr_names))}"
        )
    return data.attr[:, data.attr_names.index(label)]


def _hold(faces: ImageFiles, root: str) -> torch.Tensor:
    images = torch.empty(faces.shape, dtype=torch.uint8)
    problems = zip(faces.names, faces.read_all(images), strict=True)
    if bad := [f"{name} ({problem})" for name, problem in problems if problem]:
        raise OSError(
            f"data.root={root}: CelebA is damaged in {faces.folder} ({len(bad)} of {len(faces)} images can't be "
            f"read, the first is {bad[0]}); accepted: the images as they are in {IMAGES}.zip"
        )
    return images
