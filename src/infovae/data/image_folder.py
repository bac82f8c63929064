"""A user's own images, from a folder."""

import logging
import os
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image

from infovae.data.examples import DataSet, Examples
from infovae.data.fitting import DEEP, Fit, Lossy, read_image
from infovae.data.image_files import ImageFiles
from infovae.data.label_file import read_labels
from infovae.data.memory import Streaming, is_held
from infovae.data.splits import hold_out
from infovae.errors import ArgumentError

log = logging.getLogger(__name__)

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".pgm", ".ppm", ".pnm"}
)
OPTIONAL = {".avif": "pip install 'pillow>=11.3'"} | dict.fromkeys((".heic", ".heif"), "pip install pillow-heif")
"""Suffixes that not every installation can read, and what makes it read them."""


def image_folder(
    root: str,
    size: int | tuple[int, int] = 64,
    channels: Literal[1, 3] = 3,
    fit: Fit = "crop",
    white: float | None = None,
    unreadable: Literal["skip", "refuse"] = "skip",
    test_fraction: float = 0.1,
    test_seed: int = 1,
    streaming: Streaming = "auto",
    labels: str | None = None,
    label: str | Sequence[str] | None = None,
    conditions: Sequence[str] = (),
) -> DataSet:
    """Read every image in a folder and its subfolders, as bytes of one size.

    An image's class is the subfolder of ``root`` that it is in, at any depth; classes are numbered in the order of
    their names. Images in ``root`` itself are a class of their own, the first. Links are followed, and names that
    start with a dot are skipped. Colours and sizes may be mixed. Photographs are turned upright, transparent parts
    become white, 16-bit greys are scaled to bytes, and a file of several images gives its first. Warnings count files
    of other kinds, folders that can't be listed, files of several images, and 16-bit images that use less than half of
    their range.

    Args:
        root: the folder.
        size: pixels on a side, or height and width, that a model sees.
        channels: 1 for grey, 3 for colour.
        fit: ``crop`` scales an image until it covers the size and cuts off the rest, evenly on both sides;
            ``stretch`` scales each side by itself.
        white: the value that becomes white in images of more than 8 bits, as 4095 for 12 bits in a 16-bit file; None:
            the largest value that the file could hold.
        unreadable: ``skip`` counts unreadable images in one warning, ``refuse`` raises if there are any.
        test_fraction: the fraction of images to hold out for the test split, at random.
        test_seed: of that choice; separate from the run's seed, so that all runs are tested on the same images.
        streaming: ``auto`` holds the images if they fit in memory, and else reads them from their files each time;
            ``always`` reads them each time; ``never`` holds them, and refuses if they don't fit.
        labels: a table whose first column holds paths below ``root``; it takes the place of the subfolders.
        label: its column of classes; None: the second, or, if there are condition columns, none. Of several, the first
            holds the classes, and metrics measure the others too.
        conditions: its columns to give to encoder and decoder, with ``condition=columns``.

    Raises:
        ArgumentError: the folder is missing or has no images, an image can't be read, the images don't fit in memory,
            ``size`` or ``white`` is out of range, or a split would have no images.
    """
    if labels is None and (label or conditions):
        raise ArgumentError("labels", None, "the path of a table", "label and conditions name its columns")
    data = all_images(root, size, channels, fit, white, unreadable, streaming)
    if labels is not None:
        assert data.names is not None
        data = read_labels(labels, data.names, label, conditions)._replace(x=data.x, names=data.names)
    return hold_out(data, test_fraction, test_seed)


def all_images(
    root: str,
    size: int | tuple[int, int],
    channels: Literal[1, 3],
    fit: Fit = "crop",
    white: float | None = None,
    unreadable: Literal["skip", "refuse"] = "skip",
    streaming: Streaming = "auto",
) -> Examples:
    """Return all images of a folder, in the order of their paths; arguments and errors as for :func:`image_folder`."""
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < 1:
        raise ArgumentError("size", size, "a whole number of at least 1, or [height, width]")
    if white is not None and not 0 < white < float("inf"):
        raise ArgumentError("white", white, "numbers above 0")
    paths = _image_paths(Path(root))
    read = partial(read_image, height=height, width=width, channels=channels, fit=fit, white=white)
    files = ImageFiles(Path(root), [str(path.relative_to(root)) for path in paths], read, (channels, height, width))
    held = is_held("root", root, files.nbytes, streaming)
    images = torch.empty(files.shape, dtype=torch.uint8) if held else None
    log.info("%s: %s %d images", root, "reading" if held else "checking", len(files))
    # Streamed images are checked too: a bad one would otherwise stop the run when its turn comes, hours later.
    lossy = Lossy([], [])
    problems = files.read_all(images, partial(read, lossy=lossy))
    bad = [f"{path} ({problem})" for path, problem in zip(paths, problems, strict=True) if problem]
    if len(bad) == len(paths) or (bad and unreadable == "refuse"):
        why = f"{len(bad)} of {len(paths)} images can't be read, the first is {bad[0]}"
        raise ArgumentError("root", root, "readable images, or unreadable=skip if some are", why)
    if bad:
        what = "%s: skipped %d of %d images that can't be read; the first is %s"
        log.warning(what, root, len(bad), len(paths), bad[0])
    _warn(root, lossy, white)
    folders = ["" if path.parent == Path(root) else path.relative_to(root).parts[0] for path in paths]
    classes = sorted(set(folders))
    labels = torch.tensor(np.searchsorted(classes, folders))
    data = Examples(files if images is None else images, labels, None, files.names, tuple(classes))
    if bad:
        data = data.take(torch.tensor([problem is None for problem in problems]).nonzero().flatten())
    return data


def _warn(root: str, lossy: Lossy, white: float | None) -> None:
    if lossy.stacks:
        log.warning(
            "%s: %d files hold several images, of which the first is read; one is %s",
            root, len(lossy.stacks), min(lossy.stacks),
        )  # fmt: skip
    if white is None and 0 < (peak := max(lossy.peaks, default=0)) <= DEEP // 2:
        log.warning(
            "%s: %d images of 16 bits reach %d of %d, which leaves %d of 256 grey levels; data.source.white=%d "
            "scales greys to all of them",
            root, len(lossy.peaks), peak, DEEP, peak // 257 + 1, 2 ** peak.bit_length() - 1,
        )  # fmt: skip


def _image_paths(root: Path) -> list[Path]:
    """Return the images below a folder, sorted, so that labels and splits don't depend on the file system."""
    if root.is_file():
        accepted = "a folder of images, or, for a file of arrays, data=tensor data.path=FILE"
        raise ArgumentError("root", root, accepted, "is a file")
    if not root.is_dir():
        raise ArgumentError("root", root, "a folder of images", "no such folder")
    # Pillow knows what this installation of it reads.
    readable = SUFFIXES | (OPTIONAL.keys() & Image.registered_extensions().keys())
    found = _files_below(root)
    images = sorted(path for path in found if path.suffix.lower() in readable)
    others = Counter(path.suffix.lower() for path in found if path.suffix.lower() not in readable)
    told = ", ".join(
        f"{count} {suffix or 'without a suffix'}{f' ({OPTIONAL[suffix]} to read them)' if suffix in OPTIONAL else ''}"
        for suffix, count in sorted(others.items(), key=lambda other: (-other[1], other[0]))
    )
    if not images:
        why = f"no images in it ({told})" if told else "no images in it"
        raise ArgumentError("root", root, f"files named {', '.join(sorted(readable))}", why)
    if others:
        log.warning("%s: skipped %d of %d files that aren't images: %s", root, others.total(), len(found), told)
    return images


def _files_below(root: Path) -> list[Path]:
    """Return the files below a folder, without hidden ones; links are followed, but never back to where they are."""
    found: list[Path] = []
    denied: list[OSError] = []
    for folder, subfolders, names in os.walk(root, followlinks=True, onerror=denied.append):
        here = os.path.realpath(folder)
        subfolders[:] = [
            name
            for name in subfolders
            if not name.startswith(".")
            and not f"{here}{os.sep}".startswith(f"{os.path.realpath(os.path.join(folder, name))}{os.sep}")
        ]
        paths = (Path(folder, name) for name in names if not name.startswith("."))
        found += [path for path in paths if path.is_file()]
    if denied:
        log.warning("%s: skipped %d folders that can't be listed; the first: %s", root, len(denied), denied[0])
    return found
