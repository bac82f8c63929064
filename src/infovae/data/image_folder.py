"""A user's own images, from a folder."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from infovae.data.fitting import Fit, read_image
from infovae.data.held_out import hold_out
from infovae.data.image_files import ImageFiles
from infovae.data.images import ImageSets, LabelledImages
from infovae.data.memory import Streaming, is_held

log = logging.getLogger(__name__)

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".pgm", ".ppm"})


def image_folder(
    root: str,
    size: int | tuple[int, int] = 64,
    channels: Literal[1, 3] = 3,
    fit: Fit = "crop",
    unreadable: Literal["skip", "refuse"] = "skip",
    test_fraction: float = 0.1,
    test_seed: int = 1,
    streaming: Streaming = "auto",
) -> ImageSets:
    """Every image in a folder and its subfolders, as bytes of one size.

    An image's class is the subfolder of ``root`` that it lies in, however deep, numbered by name. Images in ``root``
    itself are a class of their own, the first. Names that start with a dot are passed over. Colours and sizes may be
    mixed; a turned photograph is set upright, transparent parts are laid on white, 16-bit greys are scaled to bytes,
    and of an animation the first frame is taken.

    Args:
        root: the folder.
        size: pixels on a side, or height and width, of what a model sees.
        channels: 1 for grey, 3 for colour.
        fit: ``crop`` scales an image until it covers the size and cuts off what stands over, evenly on both sides;
            ``stretch`` scales each side on its own.
        unreadable: ``skip`` counts what can't be read in one warning, ``refuse`` stops at the first.
        test_fraction: of the images, held out at random.
        test_seed: of that choice; not the run's, so that all runs are tested alike.
        streaming: ``auto`` holds the images where they fit in memory, and otherwise leaves them in their files, to be
            read anew each time; ``always`` leaves them there, ``never`` refuses more than memory holds.

    Raises:
        OSError: a file, no such folder, no image in it, one that can't be read, or more than memory is to hold.
        ValueError: a size below 1, or a test split without images.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < 1:
        raise ValueError(f"source.size={size}: invalid; accepted: a whole number of at least 1, or [height, width]")
    paths = _image_files(Path(root))
    read = partial(read_image, height=height, width=width, channels=channels, fit=fit)
    files = ImageFiles(Path(root), [str(path.relative_to(root)) for path in paths], read, (channels, height, width))
    held = is_held(f"data.root={root}", files.nbytes, streaming)
    images = torch.empty(files.shape, dtype=torch.uint8) if held else None
    log.info(
        "data.root=%s: reading %d images, %s", root, len(files), "to hold them" if held else "to see which are whole"
    )
    # Streamed ones are looked at too: a bad one would otherwise stop the run when its turn comes, hours later.
    problems = files.read_all(images)
    bad = [f"{path} ({problem})" for path, problem in zip(paths, problems, strict=True) if problem]
    if len(bad) == len(paths) or (bad and unreadable == "refuse"):
        raise OSError(
            f"data.root={root}: {len(bad)} of {len(paths)} images can't be read, the first is {bad[0]}; "
            "accepted: whole images, or data.source.unreadable=skip where some are"
        )
    if bad:
        log.warning(
            "data.root=%s: skipped %d of %d images that can't be read; the first is %s",
            root,
            len(bad),
            len(paths),
            bad[0],
        )
    data = LabelledImages(files if images is None else images, _classes(Path(root), paths))
    if bad:
        data = data.take(torch.tensor([problem is None for problem in problems]).nonzero().flatten())
    return hold_out(data, test_fraction, test_seed)


def _image_files(root: Path) -> list[Path]:
    """By name, so that labels and splits don't depend on the file system."""
    if root.is_file():
        raise OSError(
            f"data.root={root}: is a file; accepted: a folder of images, or, for a file of arrays, data=tensor "
            "data.path=FILE"
        )
    if not root.is_dir():
        raise OSError(f"data.root={root}: no such folder; accepted: a folder of images")
    found = sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )
    if not found:
        raise OSError(f"data.root={root}: no images in it; accepted: files named {', '.join(sorted(SUFFIXES))}")
    return found


def _classes(root: Path, paths: Sequence[Path]) -> Tensor:
    folders = ["" if path.parent == root else path.relative_to(root).parts[0] for path in paths]
    numbers = {name: number for number, name in enumerate(sorted(set(folders)))}
    return torch.tensor([numbers[folder] for folder in folders])
