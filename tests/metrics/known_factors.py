"""Codes of known factors, measured."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from infovae.codes import Codes
from infovae.data.examples import DataSet, Examples
from infovae.data.module import DataModule
from infovae.metrics.factor_metric import FactorMetric
from infovae.metrics.metric import make_metric

HADAMARD = torch.tensor([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]).double() / 2
"""Turns four factors so that each has the same part in all four dimensions."""


def data_with(factors: Tensor | None) -> DataModule:
    """A data set of which only the factors matter."""
    n = 2 if factors is None else len(factors)
    part = Examples(torch.zeros(n, 1, 1, 1, dtype=torch.uint8), torch.zeros(n, dtype=torch.int64), factors)
    return DataModule(lambda: DataSet(part, part), validation_size=0)


def measure(
    kind: Callable[..., FactorMetric],
    codes: Tensor,
    factors: Tensor,
    batch: int = 1000,
    seed: int = 0,
    **settings: Any,
) -> dict[str, Any]:
    """What a metric finds, from batches, on a random stream of its own."""
    metric = make_metric("factors", kind, data=data_with(factors), **settings)
    for z, f in zip(codes.split(batch), factors.split(batch), strict=True):
        metric.update(Codes(z, z, torch.zeros_like(z), len(codes)), f)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return {name: value.tolist() for name, value in metric.compute().items()}


def grid(*counts: int) -> Tensor:
    """Every combination of so many values of each factor, shuffled."""
    factors = torch.cartesian_prod(*map(torch.arange, counts)).view(-1, len(counts))
    return factors[torch.randperm(len(factors))]


def drawn(n: int, *counts: int) -> Tensor:
    """Independent factors, drawn evenly from so many values each."""
    return torch.stack([torch.randint(count, (n,)) for count in counts], dim=1)


def standardised(factors: Tensor) -> Tensor:
    """Factors as a perfectly disentangled code, of mean 0 and variance 1 where each of the values is as likely."""
    counts = factors.amax(dim=0).double() + 1
    return (factors - (counts - 1) / 2) / ((counts**2 - 1) / 12).sqrt()
