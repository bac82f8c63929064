"""Generate images from prior draws."""

from collections.abc import Iterator
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from infovae.data.binarization import Binarization
from infovae.model import Model
from infovae.terminal.progress import progress

PixelKind = Literal["auto", "mean", "drawn"]
"""E[x|z], or x ~ p(x|z). ``auto`` is the first for grey images and the second for binarised ones, to match the data."""

DECODED_AT_ONCE = 500
"""Fixed, so that generated images don't depend on a batch size."""


def are_drawn(pixels: PixelKind, binarization: Binarization) -> bool:
    """Return whether pixels are drawn from p(x|z), rather than being its mean."""
    return pixels == "drawn" or (pixels == "auto" and binarization != "none")


def generated_images(model: Model, count: int, drawn: bool) -> Iterator[Float[Tensor, "n c h w"]]:
    """Yield decoded draws z ~ p(z), block by block, with pixels cut to [0, 1].

    Args:
        model: the model to decode with.
        count: how many images.
        drawn: whether pixels are drawn from p(x|z), rather than being its mean.
    """
    blocks = model.prior.sample(count).split(DECODED_AT_ONCE)
    for z in progress(blocks, "decoding prior draws"):
        decoded = model.decode(z)
        pixels: Tensor = decoded.sample() if drawn else decoded.mean
        yield pixels.clamp(0, 1)
