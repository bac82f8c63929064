"""Rules for the bandwidth sigma of a kernel."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.errors import ArgumentError

Bandwidth = Literal["2d", "authors", "median", "svgd"] | float

MEDIAN_POINTS = 512
"""A median uses at most this many points, picked evenly. Their 130,816 pairs determine it well enough."""


def squared_bandwidth(rule: Bandwidth, points: Float[Tensor, "n d"]) -> float | Float[Tensor, ""]:
    """Return sigma^2 by a rule.

    Args:
        rule:
            ``2d``: sigma^2 = d; a Gaussian kernel is then exp(-s / (2 d)).
            ``authors``: sigma^2 = d^2 / 2; the kernel is then exp(-s / d^2), as in the paper's released code.
            ``median``: sigma is the median distance between the points.
            ``svgd``: sigma^2 = median^2 / (2 log(n + 1)); the kernel is then exp(-s / h) with Liu & Wang's (2016) h.
            A number is sigma itself.
        points: the points that the kernel compares. Medians carry no gradient. If the median is 0 (more than half of
            the pairs coincide) or there is no pair, the rule ``2d`` applies.

    Raises:
        ValueError: sigma is not a positive, finite number.
    """
    dimension = points.shape[1]
    if rule == "2d":
        return float(dimension)
    if rule == "authors":
        return dimension**2 / 2
    if rule == "median":
        return _squared_median_distance(points)
    if rule == "svgd":
        return _squared_median_distance(points) / (2 * math.log(len(points) + 1))
    return squared_number(rule)


def squared_number(sigma: float) -> float:
    """Return sigma^2 of a bandwidth that is given as a number.

    Raises:
        ValueError: sigma is not a positive, finite number.
    """
    if not 0 < sigma < math.inf:
        raise ArgumentError("bandwidth", sigma, "2d, authors, median, svgd or a number above 0")
    return float(sigma) ** 2


def _squared_median_distance(points: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    picked = points.detach()[:: math.ceil(len(points) / MEDIAN_POINTS)]
    median = torch.pdist(picked).median()  # nan if there are no pairs
    return torch.where(median > 0, median.square(), float(points.shape[1]))
