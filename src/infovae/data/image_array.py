"""Images in an array that stays in its file until they are asked for."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from infovae.data.stored_images import StoredImages

BLOCK = 1_000
"""How many images are looked at at a time."""


class ImageArray(StoredImages):
    """Some images of an array that is mapped into memory, of which the system loads what is looked at.

    Args:
        mapped: gives the array, (n, c, h, w), of bytes, booleans, or floats in [0, 1]; picklable, for each process
            maps the file for itself.
        positions: of the images, all where None.
    """

    def __init__(self, mapped: Callable[[], Tensor], positions: Int64[Tensor, " m"] | None = None) -> None:
        self.mapped = mapped
        self._array: Tensor | None = None
        n, channels, height, width = self.array.shape
        super().__init__((channels, height, width))
        self.positions = torch.arange(n) if positions is None else positions

    @property
    def array(self) -> Tensor:
        """The whole array, in the file's own type."""
        if self._array is None:
            self._array = self.mapped()
        return self._array

    def __getstate__(self) -> dict[str, Any]:
        # The array itself would be copied into the other process.
        return self.__dict__ | {"_array": None}

    def __len__(self) -> int:
        return len(self.positions)

    def take(self, positions: Int64[Tensor, " m"]) -> "ImageArray":
        return ImageArray(self.mapped, self.positions[positions.cpu()])

    def __getitem__(self, positions: Int64[Tensor, " m"]) -> UInt8[Tensor, "m c h w"]:
        try:
            return to_bytes(self.array[self.positions[positions]])
        except ValueError as error:
            raise OSError(str(error)) from error

    def check(self) -> None:
        """Look at every image once, block by block.

        Raises:
            ValueError: their type, or floats out of range.
        """
        for start in range(0, len(self.array), BLOCK):
            to_bytes(self.array[start : start + BLOCK])


def to_bytes(images: Tensor) -> UInt8[Tensor, "n c h w"]:
    """Booleans and floats in [0, 1] to 0 to 255; bytes stay.

    Raises:
        ValueError: another type, or floats out of range.
    """
    if images.dtype == torch.uint8:
        return images.contiguous()
    if images.dtype == torch.bool:
        return images.to(torch.uint8).mul_(255).contiguous()
    if not images.is_floating_point():
        raise ValueError(f"its images are {images.dtype}; accepted: uint8, bool, or floats in [0, 1]")
    # Written so that a NaN is refused too.
    if not bool(((images >= 0) & (images <= 1)).all()):
        low, high = images.min().item(), images.max().item()
        raise ValueError(f"its images hold floats from {low:g} to {high:g}; accepted: uint8, or floats in [0, 1]")
    return (images.float() * 255).round_().to(torch.uint8).contiguous()
