"""Examples that stay in their files until they are indexed."""

import math
from abc import ABC, abstractmethod
from copy import copy

import torch
from jaxtyping import Int64, Shaped
from torch import Tensor


class StoredExamples(ABC):
    """Stands in for a tensor of n examples, or of some of them: it has a shape, and indexing it reads from files.

    Worker processes read too, so it must be picklable.

    Args:
        n: how many there are; all of them at first.
        example_shape: (c, *s); of an image, (channels, height, width).
        dtype: of the values.
    """

    def __init__(self, n: int, example_shape: tuple[int, ...], dtype: torch.dtype = torch.uint8) -> None:
        self.positions = torch.arange(n)
        self.example_shape = example_shape
        self.dtype = dtype

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, c, *s)."""
        return (len(self), *self.example_shape)

    @property
    def ndim(self) -> int:
        """Number of axes, with that of the examples."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that the examples would take in memory."""
        return math.prod(self.shape) * self.dtype.itemsize

    def take(self, positions: Int64[Tensor, " m"]) -> "StoredExamples":
        """Return some of the examples, still in their files."""
        taken = copy(self)
        taken.positions = self.positions[positions.cpu()]
        return taken

    def __getitem__(self, positions: Int64[Tensor, " m"]) -> Shaped[Tensor, "m c *s"]:
        """Read some of the examples.

        Raises:
            OSError: an example can't be read; names the first.
        """
        return self.read_at(self.positions[positions.cpu()])

    @abstractmethod
    def read_at(self, positions: Int64[Tensor, " m"]) -> Shaped[Tensor, "m c *s"]:
        """Read the examples at these positions among all n."""
