"""Images that stay where they are stored until they are asked for."""

from abc import ABC, abstractmethod

import numpy as np
from jaxtyping import Int64, UInt8
from torch import Tensor


class StoredImages(ABC):
    """What a tensor of images would be, were it held: it has a shape, and indexing reads.

    Picklable, for worker processes do the reading.

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
        """What they would take in memory."""
        return int(np.prod(self.shape, dtype=np.int64))

    @abstractmethod
    def take(self, positions: Int64[Tensor, " m"]) -> "StoredImages":
        """Some of them, still where they are stored."""

    @abstractmethod
    def __getitem__(self, positions: Int64[Tensor, " m"]) -> UInt8[Tensor, "m c h w"]:
        """Read some of them.

        Raises:
            OSError: names the first that can't be read.
        """
