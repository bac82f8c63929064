"""Generate images from prior draws."""

from collections.abc import Iterator
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.data.binarization import Binarization
from infovae.data.examples import Examples
from infovae.model import Model, conditions_of, given
from infovae.terminal.progress import progress

PixelKind = Literal["auto", "mean", "drawn"]
"""E[x|z], or x ~ p(x|z). ``auto`` is the first for grey images and the second for binarised ones, to match the data."""

DECODED_AT_ONCE = 500
"""Fixed, so that generated images don't depend on a batch size."""


def are_drawn(pixels: PixelKind, binarization: Binarization) -> bool:
    """Return whether pixels are drawn from p(x|z), rather than being its mean."""
    return pixels == "drawn" or (pixels == "auto" and binarization != "none")


def generated_images(
    model: Model, count: int, drawn: bool, train: Examples | None = None
) -> Iterator[Float[Tensor, "n c h w"]]:
    """Yield decoded draws z ~ p(z), block by block, with pixels cut to [0, 1].

    Args:
        model: the model to decode with.
        count: how many images.
        drawn: whether pixels are drawn from p(x|z), rather than being its mean.
        train: the training split, whose conditions a conditional model is given, again and again.
    """
    z = model.prior.sample(count)
    for block in progress(torch.arange(count).split(DECODED_AT_ONCE), "decoding prior draws"):
        own = None
        if train is not None:
            chosen = block % len(train.x)
            columns = None if train.conditions is None else train.conditions[chosen].to(z)
            own = conditions_of(model, train.labels[chosen].to(z.device), columns)
        decoded = given(model, own).decode(z[block])
        pixels: Tensor = decoded.sample() if drawn else decoded.mean
        yield pixels.clamp(0, 1)
