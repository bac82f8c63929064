"""Decoded examples as image files."""

import io

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from infovae.evaluation.load import SavedRun


def as_image(example: Float[Tensor, "c h w"], enlarged: int = 1) -> Image.Image:
    """Return pixels in [0, 1] as an image, grey or in colour; nan is black.

    Args:
        example: of 1 or 3 channels.
        enlarged: how many pixels on a side stand for one.
    """
    pixels = example.nan_to_num(0.0).clamp(0, 1).mul(255).round().byte().cpu().numpy()
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    return image.resize((image.width * enlarged, image.height * enlarged), Image.Resampling.NEAREST)


def png(example: Float[Tensor, "c h w"]) -> bytes:
    """Return an example as a PNG file."""
    content = io.BytesIO()
    as_image(example).save(content, "PNG")
    return content.getvalue()


def gif(examples: Float[Tensor, "n c h w"], enlarged: int, seconds: float) -> bytes:
    """Return examples as an endless film that goes there and back, of so many seconds each way."""
    frames = [as_image(example, enlarged) for example in examples]
    content = io.BytesIO()
    duration = max(20, round(1000 * seconds / len(frames)))  # browsers show shorter frames for longer
    there_and_back = frames[1:] + frames[-2::-1]
    frames[0].save(content, "GIF", save_all=True, append_images=there_and_back, duration=duration, loop=0)
    return content.getvalue()


def shows_pictures(saved: SavedRun) -> bool:
    """Return whether the examples of a run can be shown: images in grey or colour."""
    return saved.description.values.range == "unit" and len(saved.shape) == 3 and saved.shape[0] in (1, 3)
