"""Images that a model makes of prior draws."""

from collections.abc import Iterator
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from infovae.data.binarization import Binarization
from infovae.model import Model
from infovae.terminal.progress import progress

Pixels = Literal["auto", "mean", "drawn"]
"""E[x|z], or x ~ p(x|z); ``auto`` is the first for grey images and the second for binarised ones: like beside like."""

BLOCK = 500
"""How many are decoded at a time; fixed, so that what is drawn depends on no batch size."""


def are_drawn(pixels: Pixels, binarization: Binarization) -> bool:
    """Whether pixels are drawn from p(x|z) rather than its mean."""
    return pixels == "drawn" or (pixels == "auto" and binarization != "none")


def generated_images(model: Model, count: int, drawn: bool) -> Iterator[Float[Tensor, "n c h w"]]:
    """Block after block of decoded draws z ~ p(z), with pixels cut to [0, 1].

    Args:
        model: what decodes.
        count: how many images.
        drawn: whether pixels are drawn from p(x|z) rather than its mean.
    """
    blocks = model.prior.sample(count).split(BLOCK)
    for z in progress(blocks, "decoding prior draws"):
        decoded = model.decode(z)
        pixels: Tensor = decoded.sample() if drawn else decoded.mean
        yield pixels.clamp(0, 1)
