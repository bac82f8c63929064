"""Examples that worker processes read ahead of training, for sets that don't fit in memory or on the device."""

import multiprocessing
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float, Int64, Shaped
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
        workers = self.workers if _can_start_workers() else 0
        loader = DataLoader(
            _Reader(self.x),
            sampler=[positions.cpu() for positions in chosen],
            batch_size=None,
            num_workers=workers,
            prefetch_factor=self.prefetch if workers else None,
            multiprocessing_context=_start_method() if workers else None,
            pin_memory=self.device.type == "cuda",
            # Seeds the workers, which draw nothing. Without it, torch would draw from the program's own random stream.
            generator=torch.Generator(),
        )
        for positions, stored in zip(chosen, loader, strict=True):
            if isinstance(stored, str):
                raise UserError(f"{stored}; accepted: files that stay whole while a run reads them")
            yield self.aside.batch(self._seen(stored), positions)

    def _seen(self, stored: Shaped[Tensor, "n c *s"]) -> Float[Tensor, "n c *s"]:
        if stored.dtype == torch.float64:  # Apple's GPUs have none
            return self.values.to_model(stored).to(self.device, non_blocking=True)
        return self.values.to_model(stored.to(self.device, non_blocking=True))


def _start_method() -> str | None:
    """Return how to start workers; None: the default of Python.

    The processes of joblib make loky their default, whose workers torch can't use ("'Process' object has no attribute
    'env'", joblib/joblib#1104), and "spawn" fails there too.
    """
    return "fork" if _is_joblib() else None


def _can_start_workers() -> bool:
    """Return whether workers can be started: in joblib's processes only by fork, which Windows doesn't have."""
    return not _is_joblib() or "fork" in multiprocessing.get_all_start_methods()


def _is_joblib() -> bool:
    return multiprocessing.get_start_method(allow_none=True) == "loky"


class _Reader(Dataset[Shaped[Tensor, "n c *s"] | str]):
    """Reads a batch. An error is returned as text, because a raised one loses its message between processes."""

    def __init__(self, x: Shaped[Tensor, "n c *s"] | StoredExamples) -> None:
        self.x = x

    def __getitem__(self, positions: Int64[Tensor, " n"]) -> Shaped[Tensor, "n c *s"] | str:
        try:
            return self.x[positions]
        except OSError as error:
            return str(error)
