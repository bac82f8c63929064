"""Generated signals with known factors."""

import math

import torch
from torch import Tensor

from infovae.data.examples import DataSet, Examples
from infovae.data.values import Standardized
from infovae.errors import ArgumentError, require_at_least


def sines(
    size: int = 10_000, test_size: int = 2000, length: int = 64, noise: float = 0.05, levels: int = 10, seed: int = 1
) -> DataSet:
    """Return sines a sin(2 pi (f t + p)) over one unit of time, whose factors are frequency, phase and amplitude.

    Each factor takes one of ``levels`` values with equal probability, independently: f from 1 to 4, p from 0 to below
    one half, a from 0.5 to 1.5. The label is the level of the frequency.

    Args:
        size: number of examples in the train split.
        test_size: number in the test split.
        length: number of points in time.
        noise: standard deviation of the normal noise on each point.
        levels: number of values of each factor.
        seed: of the signals; separate from the run's seed.

    Raises:
        ArgumentError: a number is out of range.
    """
    require_at_least(1, size=size, test_size=test_size)
    require_at_least(2, levels=levels)
    require_at_least(16, length=length)
    if not 0 <= noise < math.inf:
        raise ArgumentError("noise", noise, "numbers of at least 0")
    generator = torch.Generator().manual_seed(seed)
    train, test = (_sample(n, length, noise, levels, generator) for n in (size, test_size))
    return DataSet(train, test, values=Standardized())


def _sample(n: int, length: int, noise: float, levels: int, generator: torch.Generator) -> Examples:
    factors = torch.randint(levels, (n, 3), generator=generator)
    share = factors / (levels - 1)
    frequency, phase, amplitude = 1 + 3 * share[:, :1], factors[:, 1:2] / (2 * levels), 0.5 + share[:, 2:]
    time = torch.arange(length) / length
    clean: Tensor = amplitude * torch.sin(2 * math.pi * (frequency * time + phase))
    x = clean + noise * torch.randn(n, length, generator=generator)
    return Examples(x[:, None], factors[:, 0], factors)
