"""Examples in an array that stays in its file until they are indexed."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from infovae.data.stored import StoredExamples


class MappedArray(StoredExamples):
    """Some examples of an array that is mapped into memory, so that the system loads only those that are indexed.

    Args:
        mapped: returns the array, (n, c, *s); picklable, because each process maps the file itself.
        dtype: of what is read; None: the array's own.
    """

    def __init__(self, mapped: Callable[[], Tensor], dtype: torch.dtype | None = None) -> None:
        self.mapped = mapped
        self._array: Tensor | None = None
        super().__init__(len(self.array), tuple(self.array.shape[1:]), dtype or self.array.dtype)

    @property
    def array(self) -> Tensor:
        """The whole array, in the file's own type."""
        if self._array is None:
            self._array = self.mapped()
        return self._array

    def __getstate__(self) -> dict[str, Any]:
        # The array itself would be copied into the other process.
        return self.__dict__ | {"_array": None}

    def read_at(self, positions: Int64[Tensor, " m"]) -> Shaped[Tensor, "m c *s"]:
        return self.array[positions]
