"""Turn an image file of any kind into bytes of one size."""

from contextlib import suppress
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps
from torch import Tensor

Fit = Literal["crop", "stretch"]

DEEP = 65535
"""The largest value of a 16-bit image."""


class Lossy(NamedTuple):
    """What bytes of one size don't hold of some images.

    Attributes:
        peaks: the largest value of each 16-bit image.
        stacks: files that hold several images; only the first is read.
    """

    peaks: list[int]
    stacks: list[Path]


with suppress(ImportError):  # optional: reads .heic and .heif; here, because worker processes import this module too
    import_module("pillow_heif").register_heif_opener()


def read_image(
    path: Path | BytesIO,
    height: int,
    width: int,
    channels: int,
    fit: Fit,
    white: float | None = None,
    lossy: Lossy | None = None,
) -> UInt8[Tensor, "c h w"]:
    """Read an image file and fit it to a size.

    Args:
        path: the file, or its content.
        height, width: of the returned image.
        channels: 1 for grey, 3 for colour.
        fit: ``crop`` keeps the aspect ratio and cuts off what is too much; ``stretch`` scales each side by itself.
        white: the value that becomes 255, in images of more than 8 bits; None: 65535 in those of 16 bits.
        lossy: gets an entry if this image is one of these.

    Raises:
        OSError: the file isn't an image, or is truncated.
        ValueError: a value is above ``white``, or the image has 32 bits and ``white`` is None.
    """
    with Image.open(path) as opened:
        depth = str(opened.tile[0].args) if opened.tile else ""
        image = ImageOps.exif_transpose(opened)
        if opened.format == "PPM" and image.mode == "I":  # states its own range, and Pillow scales that to 16 bits
            image = _scaled(image, None)
        elif image.mode.startswith("I;16") or ";16" in depth:
            if lossy is not None:
                # Pillow keeps the upper 8 of 16 bits of a colour.
                lossy.peaks.append(int(np.asarray(image).max()) * (1 if image.mode.startswith("I") else 257))
            image = _scaled(image, white) if image.mode.startswith("I") else image
        elif image.mode in ("I", "F"):
            if white is None:
                raise ValueError("32-bit values have no known range; white=VALUE gives it")
            image = _scaled(image, white)
        with suppress(Exception):  # a later image in the file may be damaged
            if lossy is not None and isinstance(path, Path) and getattr(opened, "is_animated", False):
                lossy.stacks.append(path)
    image = _on_white(image).convert("L" if channels == 1 else "RGB")
    scale = ImageOps.fit if fit == "crop" else Image.Image.resize
    return _to_tensor(scale(image, (width, height), Image.Resampling.BICUBIC))


def read_middle(path: Path, crop: int, size: int) -> UInt8[Tensor, "3 size size"]:
    """Read the central square of ``crop`` pixels of a colour image, scaled to ``size`` pixels on a side.

    Raises:
        OSError: the file isn't an image, or is truncated.
    """
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    left, top = (image.width - crop) // 2, (image.height - crop) // 2
    middle = image.crop((left, top, left + crop, top + crop))
    return _to_tensor(middle.resize((size, size), Image.Resampling.BICUBIC))


def _to_tensor(image: Image.Image) -> UInt8[Tensor, "c h w"]:
    return torch.from_numpy(np.array(image)).view(image.height, image.width, -1).permute(2, 0, 1)


def _scaled(image: Image.Image, white: float | None) -> Image.Image:
    """Return a grey image of more than 8 bits in 8 bits; Pillow itself would clip at 255."""
    values = np.asarray(image)
    if white is None:
        return Image.fromarray((values // 257).astype(np.uint8))
    if not (values.min() >= 0 and values.max() <= white):
        raise ValueError(f"its values go from {values.min():g} to {values.max():g}, and white={white:g}")
    return Image.fromarray(np.round(values * (255 / white)).astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    """Return the image with its transparent parts white."""
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
