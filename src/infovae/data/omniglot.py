"""Omniglot (Lake, Salakhutdinov, Tenenbaum 2015): 32,460 characters of 50 alphabets, 105 x 105, black on white."""

from pathlib import Path
from zipfile import ZipFile

import numpy as np
from PIL import Image
from torchvision.datasets import DatasetFolder, Omniglot
from torchvision.datasets.utils import check_integrity, extract_archive

from infovae.data.examples import DataSet, Examples
from infovae.data.torchvision_sets import labelled, read_sets


def omniglot(root: str, download: bool = True) -> DataSet:
    """Read Omniglot from ``root/omniglot-py``, as :func:`~infovae.data.torchvision_sets.read_sets` does.

    The 19,280 background images are the train split, the 13,180 evaluation images the test split. A label is one
    character of one alphabet, in the order of their names. The splits share no character, so the labels of the test
    split (964 to 1622) follow those of the train split (0 to 963).
    """
    files = ["images_background.zip", "images_evaluation.zip"]

    def read(fetch: bool) -> DataSet:
        background, evaluation = (_part(root, part, download, fetch) for part in (True, False))
        classes = (background.classes or ()) + (evaluation.classes or ())
        labels = evaluation.labels + int(background.labels.max()) + 1
        return DataSet(background._replace(classes=classes), evaluation._replace(labels=labels, classes=classes))

    return read_sets("Omniglot", root, Path(root) / Omniglot.folder, files, download, read)


def _part(root: str, background: bool, download: bool, fetch: bool) -> Examples:
    folder = Path(root) / Omniglot.folder / ("images_background" if background else "images_evaluation")
    archive = folder.with_suffix(".zip")
    # torchvision unpacks only what it has just downloaded.
    if check_integrity(archive, Omniglot.zips_md5[folder.name]) and not _unpacked(archive):
        if not fetch:
            raise OSError(f"{archive} isn't unpacked")
        extract_archive(archive, folder.parent)
    Omniglot(root, background=background, download=download and fetch)
    # torchvision numbers the characters as the file system lists them; by name, labels are alike everywhere.
    characters = sorted(str(path.relative_to(folder)) for path in folder.glob("*/*") if path.is_dir())
    numbers = {name: number for number, name in enumerate(characters)}
    drawings = DatasetFolder.make_dataset(folder, numbers, extensions=(".png",))
    return labelled(np.stack([_pixels(path) for path, _ in drawings]), [label for _, label in drawings], characters)


def _unpacked(archive: Path) -> bool:
    with ZipFile(archive) as content:
        return all((archive.parent / name).exists() for name in content.namelist())


def _pixels(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))
