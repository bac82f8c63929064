"""Images in an array that stays in its file until they are indexed."""

from collections.abc import Callable

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from infovae.data.mapped_array import MappedArray
from infovae.errors import ArgumentError

IMAGES_AT_A_TIME = 1_000
"""How many images are checked at a time."""


class ImageArray(MappedArray):
    """Some images of a mapped array, which become bytes when they are indexed.

    Args:
        mapped: returns the array, (n, c, h, w), of values that :func:`to_bytes` accepts; see :class:`MappedArray`.
        white: see :func:`to_bytes`.
    """

    def __init__(self, mapped: Callable[[], Tensor], white: float | None = None) -> None:
        super().__init__(mapped, torch.uint8)
        self.white = white

    def read_at(self, positions: Int64[Tensor, " m"]) -> UInt8[Tensor, "m c h w"]:
        try:
            return to_bytes(super().read_at(positions), self.white)
        except ArgumentError as error:
            raise OSError(str(error)) from error


def to_bytes(images: Tensor, white: float | None = None) -> UInt8[Tensor, "n c h w"]:
    """Return images in bytes.

    Args:
        images: booleans, or numbers from 0 to ``white``.
        white: the value that becomes 255; None: 1 for floats and 255 for uint8, and no other type is accepted.

    Raises:
        ArgumentError: the type is not accepted, or a number is out of range or NaN.
    """
    if images.dtype == torch.uint8 and white is None:
        return images.contiguous()
    if images.dtype == torch.bool:
        return images.to(torch.uint8).mul_(255).contiguous()
    any_range = "uint8, bool, floats in [0, 1], or, with white=VALUE, numbers from 0 to VALUE"
    accepted = any_range if white is None else f"numbers from 0 to white={white:g}"
    if images.is_complex() or (white is None and not images.is_floating_point()):
        raise ArgumentError("images", ..., accepted, f"type {images.dtype}")
    top = 1.0 if white is None else white
    values = images if images.is_floating_point() else images.float()
    # Written so that a NaN is refused too.
    if not bool(((values >= 0) & (values <= top)).all()):
        low, high = values.min().item(), values.max().item()
        raise ArgumentError("images", ..., accepted, f"values from {low:g} to {high:g}")
    return (values.float() * (255 / top)).round_().to(torch.uint8).contiguous()


def brightest(images: Tensor, white: float | None = None) -> float:
    """Convert all images once, some at a time, and return the largest value.

    Raises:
        ArgumentError: see :func:`to_bytes`.
    """
    highest = 0.0
    for some in images.split(IMAGES_AT_A_TIME):
        to_bytes(some, white)
        highest = max(highest, some.float().max().item())
    return highest
