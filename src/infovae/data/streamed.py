"""Examples that worker processes read ahead of training, for sets that don't fit in memory or on the device."""

import multiprocessing
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Int64, Shaped
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from infovae.data.examples import Examples
from infovae.data.loader import Aside, Batch
from infovae.data.stored import StoredExamples
from infovae.data.values import Bytes, Values
from infovae.errors import UserError


class Streamed:
    """A data set of which all but the examples is on the device; replaces :class:`infovae.data.loader.Held`.

    Args:
        data: examples in files, or in memory.
        device: where batches are put.
        workers: number of processes that read; with 0, training waits for each batch.
        prefetch: number of batches that each of them reads ahead.
        values: what their entries mean; None: bytes of images.
    """

    def __init__(
        self, data: Examples, device: torch.device, workers: int, prefetch: int, values: Values | None = None
    ) -> None:
        self.x = data.x
        self.values = values or Bytes()
        self.aside = Aside(data, device)
        self.device = device
        self.workers = workers
        self.prefetch = prefetch

    def __len__(self) -> int:
        return len(self.x)

    def batches(self, chosen: Sequence[Int64[Tensor, " _n"]]) -> Iterator[Batch]:
        """Yield a batch for each tensor of positions, in order.

        Raises:
            UserError: a file can no longer be read.
        """
        # The processes of joblib make loky their default, whose workers torch can't use ("'Process' object has no
        # attribute 'env'", joblib/joblib#1104), and "spawn" fails there too; Windows has no fork.
        in_joblib = multiprocessing.get_start_method(allow_none=True) == "loky"
        workers = 0 if in_joblib and "fork" not in multiprocessing.get_all_start_methods() else self.workers
        loader = DataLoader(
            _Reader(self.x),
            sampler=[positions.cpu() for positions in chosen],
            batch_size=None,
            num_workers=workers,
            prefetch_factor=self.prefetch if workers else None,
            multiprocessing_context="fork" if in_joblib and workers else None,
            pin_memory=self.device.type == "cuda",
            # Seeds the workers, which draw nothing. Without it, torch would draw from the program's own random stream.
            generator=torch.Generator(),
        )
        for positions, stored in zip(chosen, loader, strict=True):
            if isinstance(stored, str):
                raise UserError(f"{stored}; accepted: files that stay whole while a run reads them")
            if stored.dtype == torch.float64:  # Apple's GPUs have none
                x = self.values.to_model(stored).to(self.device, non_blocking=True)
            else:
                x = self.values.to_model(stored.to(self.device, non_blocking=True))
            yield self.aside.batch(x, positions)


class _Reader(Dataset[Shaped[Tensor, "n c *s"] | str]):
    """Reads a batch. An error is returned as text, because a raised one loses its message between processes."""

    def __init__(self, x: Shaped[Tensor, "n c *s"] | StoredExamples) -> None:
        self.x = x

    def __getitem__(self, positions: Int64[Tensor, " n"]) -> Shaped[Tensor, "n c *s"] | str:
        try:
            return self.x[positions]
        except OSError as error:
            return str(error)
