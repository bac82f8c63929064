"""Images in a file each, read when they are asked for."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from infovae.data.stored_images import StoredImages

BLOCK = 10_000
"""How many files are handed to the threads at a time: bookkeeping for a million at once would fill memory itself."""


class ImageFiles(StoredImages):
    """Images in a file each.

    Args:
        folder: where the files are.
        names: of the files, from there.
        read: an image, fitted to the shape; picklable, for it is called in other processes.
        image_shape: (channels, height, width).
    """

    def __init__(
        self,
        folder: Path,
        names: Sequence[str] | np.ndarray,
        read: Callable[[Path], UInt8[Tensor, "c h w"]],
        image_shape: tuple[int, int, int],
    ) -> None:
        super().__init__(image_shape)
        self.folder = folder
        # An array, not a list: workers that only look at it then don't copy it page by page.
        self.names = np.asarray(names, dtype=np.str_)
        self.read = read

    def __len__(self) -> int:
        return len(self.names)

    def take(self, positions: Int64[Tensor, " m"]) -> "ImageFiles":
        return ImageFiles(self.folder, self.names[positions.cpu().numpy()], self.read, self.image_shape)

    def __getitem__(self, positions: Int64[Tensor, " m"]) -> UInt8[Tensor, "m c h w"]:
        images = torch.empty(len(positions), *self.image_shape, dtype=torch.uint8)
        for place, position in enumerate(positions.tolist()):
            path = self.folder / self.names[position]
            try:
                images[place] = self.read(path)
            except Exception as error:  # damaged bytes can make a decoder raise anything
                raise OSError(f"{path} can't be read ({reason(error)})") from error
        return images

    def read_all(self, images: UInt8[Tensor, "n c h w"] | None = None) -> list[str | None]:
        """Read every image once, into a tensor where one is given; why each can't be read, if so."""

        def problem(position: int) -> str | None:
            try:
                pixels = self.read(self.folder / self.names[position])
            except Exception as error:  # damaged bytes can make a decoder raise anything
                return reason(error)
            if images is not None:
                images[position] = pixels
            return None

        problems: list[str | None] = []
        # Decoders release Python's lock.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for start in range(0, len(self), BLOCK):
                problems += pool.map(problem, range(start, min(start + BLOCK, len(self))))
        return problems


def reason(error: Exception) -> str:
    """In one line, and never empty."""
    return " ".join(str(error).split()) or type(error).__name__
