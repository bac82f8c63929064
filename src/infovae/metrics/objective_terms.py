"""The terms of the objective, averaged over a split."""

import torch
import torchmetrics
from torch import Tensor

NAMES = ("loss", "reconstruction", "rate", "divergence", "elbo")


class ObjectiveTerms(torchmetrics.Metric):
    """Averages of loss, reconstruction, rate, divergence and ELBO over examples, all but the divergence in nats.

    A sum on the device for each batch and nothing else: no number leaves the device before the epoch's end. Summed over
    processes, whose averages each count for an equal share of the global batch, as their gradients do.
    """

    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros(len(NAMES), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, loss: Tensor, reconstruction: Tensor, rate: Tensor, divergence: Tensor, n: float) -> None:
        """Take in a batch's averages, of the weight of n examples."""
        terms = torch.stack([loss, reconstruction, rate, divergence, -reconstruction - rate]).detach()
        self.total += n * terms
        self.count += n

    def compute(self) -> dict[str, Tensor]:
        return dict(zip(NAMES, self.total / self.count, strict=True))
