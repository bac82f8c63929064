"""Images that worker processes read ahead of training, for sets that don't fit in memory or on the device."""

import multiprocessing
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from infovae.data.images import LabelledImages
from infovae.data.loader import LabelledPixels
from infovae.data.stored_images import StoredImages
from infovae.errors import UserError


class StreamedImages:
    """A labelled image set whose labels alone are on the device; replaces :class:`infovae.data.loader.TensorImages`.

    Args:
        data: images in files, or in memory.
        device: where batches are put.
        workers: number of processes that read; with 0, training waits for each batch.
        prefetch: number of batches that each of them reads ahead.
    """

    def __init__(self, data: LabelledImages, device: torch.device, workers: int, prefetch: int) -> None:
        self.images = data.images
        self.labels: Int64[Tensor, " n"] = data.labels.to(device)
        self.factors: Int64[Tensor, "n k"] | None = None if data.factors is None else data.factors.to(device)
        self.device = device
        self.workers = workers
        self.prefetch = prefetch

    def __len__(self) -> int:
        return len(self.images)

    def batches(self, chosen: Sequence[Int64[Tensor, " _n"]]) -> Iterator[LabelledPixels]:
        """Yield a batch for each tensor of positions, in order.

        Raises:
            UserError: a file can no longer be read.
        """
        loader = DataLoader(
            _Reader(self.images),
            sampler=[positions.cpu() for positions in chosen],
            batch_size=None,
            num_workers=self.workers,
            prefetch_factor=self.prefetch if self.workers else None,
            multiprocessing_context=_start_method() if self.workers else None,
            pin_memory=self.device.type == "cuda",
            # Seeds the workers, which draw nothing. Without it, torch would draw from the program's own random stream.
            generator=torch.Generator(),
        )
        for positions, images in zip(chosen, loader, strict=True):
            if isinstance(images, str):
                raise UserError(f"{images}; accepted: files that stay whole while a run reads them")
            pixels = images.to(self.device, non_blocking=True).float().div_(255)
            factors = None if self.factors is None else self.factors[positions]
            yield LabelledPixels(pixels, self.labels[positions], factors)


def _start_method() -> str | None:
    """Return how to start workers; None: the default of Python.

    The processes of joblib make loky their default, whose workers torch can't use ("'Process' object has no attribute
    'env'", joblib/joblib#1104), and "spawn" fails there too.
    """
    return "fork" if multiprocessing.get_start_method(allow_none=True) == "loky" else None


class _Reader(Dataset[UInt8[Tensor, "n c h w"] | str]):
    """Reads a batch. An error is returned as text, because a raised one loses its message between processes."""

    def __init__(self, images: UInt8[Tensor, "n c h w"] | StoredImages) -> None:
        self.images = images

    def __getitem__(self, positions: Int64[Tensor, " n"]) -> UInt8[Tensor, "n c h w"] | str:
        try:
            return self.images[positions]
        except OSError as error:
            return str(error)
