"""Images that stay in their files until they are indexed."""

from abc import ABC, abstractmethod

import numpy as np
from jaxtyping import Int64, UInt8
from torch import Tensor


class StoredImages(ABC):
    """Stands in for a tensor of images: it has a shape, and indexing it reads from files.

    Worker processes read too, so it must be picklable.

    Args:
        image_shape: (channels, height, width).
    """

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        self.image_shape = image_shape

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(n, channels, height, width)."""
        return (len(self), *self.image_shape)

    @property
    def nbytes(self) -> int:
        """Bytes that the images would take in memory."""
        return int(np.prod(self.shape, dtype=np.int64))

    @abstractmethod
    def take(self, positions: Int64[Tensor, " m"]) -> "StoredImages":
        """Return some of the images, still in their files."""

    @abstractmethod
    def __getitem__(self, positions: Int64[Tensor, " m"]) -> UInt8[Tensor, "m c h w"]:
        """Read some of the images.

        Raises:
            OSError: an image can't be read; names the first.
        """
