"""A user's own images, from a folder."""

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps
from torch import Tensor

from infovae.data.held_out import hold_out
from infovae.data.images import ImageSets, LabelledImages
from infovae.data.memory import check_fits

log = logging.getLogger(__name__)

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".pgm", ".ppm"})

Fit = Literal["crop", "stretch"]


def image_folder(
    root: str,
    size: int | tuple[int, int] = 64,
    channels: Literal[1, 3] = 3,
    fit: Fit = "crop",
    unreadable: Literal["skip", "refuse"] = "skip",
    test_fraction: float = 0.1,
    test_seed: int = 1,
) -> ImageSets:
    """Every image in a folder and its subfolders, as bytes of one size, in memory.

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

    Raises:
        OSError: no such folder, no image in it, one that can't be read, or more than memory holds.
        ValueError: a size below 1, or a test split without images.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < 1:
        raise ValueError(f"source.size={size}: accepted is a whole number of at least 1, or [height, width]")
    paths = _image_files(Path(root))
    check_fits(f"data.source.root={root}", len(paths), channels * height * width)
    images = torch.empty(len(paths), channels, height, width, dtype=torch.uint8)

    def place(position: int) -> str | None:
        """Why an image can't be read, if so."""
        try:
            images[position] = read_image(paths[position], height, width, channels, fit)
        except Exception as error:  # damaged bytes can make a decoder raise anything
            return " ".join(str(error).split()) or type(error).__name__
        return None

    # Decoders release Python's lock.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        problems = list(pool.map(place, range(len(paths))))
    bad = [f"{path} ({problem})" for path, problem in zip(paths, problems, strict=True) if problem]
    if len(bad) == len(paths) or (bad and unreadable == "refuse"):
        raise OSError(
            f"data.source.root={root}: {len(bad)} of {len(paths)} images can't be read, the first is {bad[0]}; "
            "accepted are whole images, or data.source.unreadable=skip where some are"
        )
    if bad:
        log.warning(
            "data.source.root=%s: skipped %d of %d images that can't be read; the first is %s",
            root,
            len(bad),
            len(paths),
            bad[0],
        )
    good = torch.tensor([problem is None for problem in problems])
    data = LabelledImages(images[good], _classes(Path(root), paths)[good])
    return hold_out(data, test_fraction, test_seed)


def read_image(path: Path, height: int, width: int, channels: int, fit: Fit) -> UInt8[Tensor, "c h w"]:
    """One image file, fitted to a size.

    Raises:
        OSError: not an image, or not a whole one.
        ValueError: an image whose values have no known range.
    """
    with Image.open(path) as opened:
        image = _eight_bit(ImageOps.exif_transpose(opened)).convert("L" if channels == 1 else "RGB")
    resized = (
        ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)
        if fit == "crop"
        else image.resize((width, height), Image.Resampling.BICUBIC)
    )
    return torch.from_numpy(np.array(resized)).view(height, width, channels).permute(2, 0, 1)


def _eight_bit(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        # Pillow would clip at 255.
        return Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("32-bit values have no known range")
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image


def _image_files(root: Path) -> list[Path]:
    """By name, so that labels and splits don't depend on the file system."""
    if not root.is_dir():
        raise OSError(f"data.source.root={root}: no such folder; accepted is a folder of images")
    found = sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )
    if not found:
        raise OSError(
            f"data.source.root={root}: no images in it; accepted are files named {', '.join(sorted(SUFFIXES))}"
        )
    return found


def _classes(root: Path, paths: Sequence[Path]) -> Tensor:
    folders = ["" if path.parent == root else path.relative_to(root).parts[0] for path in paths]
    numbers = {name: number for number, name in enumerate(sorted(set(folders)))}
    return torch.tensor([numbers[folder] for folder in folders])
