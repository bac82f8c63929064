"""Radial kernels and the rules for their bandwidth.

A kernel is a function of squared distances s = ||x - y||^2 alone, so that one (n, m) matrix of them is all
that is ever held. Each is 1 at s = 0: a weight lambda_ keeps its meaning from kernel to kernel.

**lambda_ means nothing without its kernel.** At d = 64 the authors' exp(-s / d^2) can't tell N(0, I) from a
standard deviation of 1.3; exp(-s / (2 d)) can. That is why the default bandwidth grows like sqrt(d).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

Bandwidth = Literal["2d", "authors", "median"] | float


def squared_distances(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    """||x_i - y_j||^2 by one matrix product, never through an (n, m, d) tensor.

    Both are first moved by the same vector, which keeps the cancellation in the product small
    for clouds far from the origin.
    """
    shift = y.detach().mean(dim=0)
    x, y = x - shift, y - shift
    x_norms = x.square().sum(dim=1, keepdim=True)
    y_norms = y.square().sum(dim=1)
    return torch.addmm(x_norms + y_norms, x, y.T, alpha=-2).clamp_min(0)


def squared_bandwidth(rule: Bandwidth, x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> float | Float[Tensor, ""]:
    """sigma^2 under a rule.

    Args:
        rule: ``2d``: sigma^2 = d, so that a Gaussian kernel is exp(-s / (2 d)); ``authors``:
            sigma^2 = d^2 / 2, so that it is exp(-s / d^2); ``median``: sigma is the median distance between the
            points of x and y together (without gradient); or sigma itself.

    Raises:
        ValueError: sigma is not positive.
    """
    dimension = x.shape[1]
    if rule == "2d":
        return float(dimension)
    if rule == "authors":
        return dimension**2 / 2
    if rule == "median":
        points = torch.cat([x, y]).detach()
        between = squared_distances(points, points)
        rows, columns = torch.triu_indices(len(points), len(points), offset=1, device=points.device)
        return between[rows, columns].median().clamp_min(torch.finfo(points.dtype).tiny)
    if not rule > 0:
        raise ValueError(f"bandwidth={rule}: accepted are 2d, authors, median or a number above 0")
    return float(rule) ** 2


@dataclass(frozen=True)
class Kernel(ABC):
    """A radial kernel k(x, y) = k(||x - y||^2; sigma^2) with a bandwidth rule."""

    bandwidth: Bandwidth = "2d"

    def __post_init__(self) -> None:
        if not isinstance(self.bandwidth, str):
            squared_bandwidth(self.bandwidth, torch.empty(0, 1), torch.empty(0, 1))

    @abstractmethod
    def evaluate(
        self, squared_distance: Float[Tensor, "n m"], squared_bandwidth: float | Float[Tensor, ""]
    ) -> Float[Tensor, "n m"]:
        """The kernel matrix."""


class NormalMeanKernel(Kernel):
    """A kernel whose expectations under y, y' ~ N(0, I) have a closed form."""

    @abstractmethod
    def normal_mean(self, z: Float[Tensor, "n d"], squared_bandwidth: float | Float[Tensor, ""]) -> Float[Tensor, " n"]:
        """E_y k(z, y)."""

    @abstractmethod
    def normal_mean_mean(
        self, dimension: int, squared_bandwidth: float | Float[Tensor, ""]
    ) -> float | Float[Tensor, ""]:
        """E k(y, y')."""


@dataclass(frozen=True)
class Gaussian(NormalMeanKernel):
    """exp(-s / (2 sigma^2)).

    With a = sigma^2:  E_y k(z, y) = (a / (a + 1))^(d/2) exp(-||z||^2 / (2 (a + 1))),  E k(y, y') = (a / (a + 2))^(d/2).
    """

    def evaluate(
        self, squared_distance: Float[Tensor, "n m"], squared_bandwidth: float | Float[Tensor, ""]
    ) -> Float[Tensor, "n m"]:
        return torch.exp(squared_distance / (-2 * squared_bandwidth))

    def normal_mean(self, z: Float[Tensor, "n d"], squared_bandwidth: float | Float[Tensor, ""]) -> Float[Tensor, " n"]:
        shrunk = (squared_bandwidth / (squared_bandwidth + 1)) ** (z.shape[1] / 2)
        return shrunk * torch.exp(z.square().sum(dim=1) / (-2 * (squared_bandwidth + 1)))

    def normal_mean_mean(
        self, dimension: int, squared_bandwidth: float | Float[Tensor, ""]
    ) -> float | Float[Tensor, ""]:
        return (squared_bandwidth / (squared_bandwidth + 2)) ** (dimension / 2)


@dataclass(frozen=True)
class GaussianSum(NormalMeanKernel):
    """The average of Gaussian kernels of bandwidths sigma * multiplier, for each multiplier."""

    multipliers: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.multipliers or min(self.multipliers) <= 0:
            raise ValueError(f"multipliers={list(self.multipliers)}: accepted are non-empty lists of numbers above 0")

    def evaluate(
        self, squared_distance: Float[Tensor, "n m"], squared_bandwidth: float | Float[Tensor, ""]
    ) -> Float[Tensor, "n m"]:
        return self._average(lambda multiplier: GAUSSIAN.evaluate(squared_distance, squared_bandwidth * multiplier**2))

    def normal_mean(self, z: Float[Tensor, "n d"], squared_bandwidth: float | Float[Tensor, ""]) -> Float[Tensor, " n"]:
        return self._average(lambda multiplier: GAUSSIAN.normal_mean(z, squared_bandwidth * multiplier**2))

    def normal_mean_mean(
        self, dimension: int, squared_bandwidth: float | Float[Tensor, ""]
    ) -> float | Float[Tensor, ""]:
        return self._average(lambda multiplier: GAUSSIAN.normal_mean_mean(dimension, squared_bandwidth * multiplier**2))

    def _average(self, term: Callable[[float], Any]) -> Any:
        return sum(map(term, self.multipliers)) / len(self.multipliers)


GAUSSIAN = Gaussian()


@dataclass(frozen=True)
class InverseMultiquadratic(Kernel):
    """C / (C + s) with C = 2 sigma^2; under the rule ``2d`` it is C = 2 d (Tolstikhin et al. 2018)."""

    def evaluate(
        self, squared_distance: Float[Tensor, "n m"], squared_bandwidth: float | Float[Tensor, ""]
    ) -> Float[Tensor, "n m"]:
        return 1 / (1 + squared_distance / (2 * squared_bandwidth))
