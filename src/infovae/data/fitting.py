"""From an image file of any kind to bytes of one size."""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps
from torch import Tensor

Fit = Literal["crop", "stretch"]


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
    return to_tensor(resized)


def read_middle(path: Path, crop: int, size: int) -> UInt8[Tensor, "3 size size"]:
    """The square of ``crop`` pixels in the middle of an image in colour, scaled to ``size`` pixels on a side.

    Raises:
        OSError: not an image, or not a whole one.
    """
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    left, top = (image.width - crop) // 2, (image.height - crop) // 2
    middle = image.crop((left, top, left + crop, top + crop))
    return to_tensor(middle.resize((size, size), Image.Resampling.BICUBIC))


def to_tensor(image: Image.Image) -> UInt8[Tensor, "c h w"]:
    """The bytes of a grey or colour image, channels first."""
    return torch.from_numpy(np.array(image)).view(image.height, image.width, -1).permute(2, 0, 1)


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
