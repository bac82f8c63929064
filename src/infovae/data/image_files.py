"""Images in one file each, read when they are indexed."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from infovae.data.stored import StoredExamples
from infovae.errors import reason_of

FILES_AT_A_TIME = 10_000
"""How many files the threads are given at a time: the bookkeeping for a million would itself fill memory."""

Reader = Callable[[Path], UInt8[Tensor, "c h w"]]


class ImageFiles(StoredExamples):
    """Images in one file each.

    Args:
        folder: where the files are.
        names: paths of the files, relative to ``folder``.
        read: returns an image of the given shape; picklable, because worker processes call it.
        shape: (channels, height, width).
    """

    def __init__(self, folder: Path, names: Sequence[str] | np.ndarray, read: Reader, shape: tuple[int, ...]) -> None:
        super().__init__(len(names), shape)
        self.folder = folder
        # An array, because forked workers would copy the pages of a list by merely reading it.
        self.names = np.asarray(names, dtype=np.str_)
        self.read = read

    def read_at(self, positions: Int64[Tensor, " m"]) -> UInt8[Tensor, "m c h w"]:
        images = torch.empty(len(positions), *self.example_shape, dtype=torch.uint8)
        for place, position in enumerate(positions.tolist()):
            path = self.folder / self.names[position]
            try:
                images[place] = self.read(path)
            except Exception as error:  # damaged bytes can make a decoder raise anything
                raise OSError(f"{path} can't be read ({reason_of(error)})") from error
        return images

    def read_all(self, images: UInt8[Tensor, "n c h w"] | None, read: Reader | None = None) -> list[str | None]:
        """Read every file once, in threads, and return for each why it can't be read, or None.

        Args:
            images: a tensor to fill; None only checks the files.
            read: reads an image, in the place of ``self.read``.
        """
        read = read or self.read

        def problem(position: int) -> str | None:
            try:
                pixels = read(self.folder / self.names[position])
            except Exception as error:  # damaged bytes can make a decoder raise anything
                return reason_of(error)
            if images is not None:
                images[position] = pixels
            return None

        problems: list[str | None] = []
        # Decoders release Python's lock.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for block in torch.arange(len(self.names)).split(FILES_AT_A_TIME):
                problems += pool.map(problem, block.tolist())
        return problems
