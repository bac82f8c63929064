"""Means over the pairs of a sample: all pairs, or only pairs of two different points."""

from typing import Literal

from infovae.errors import ArgumentError

Estimator = Literal["u", "v"]
"""``u``, a U-statistic, leaves out the pairs of a point with itself and is unbiased; ``v``, a V-statistic, has them."""


def pair_weight(n: int, estimator: Estimator) -> float:
    """Return the weight of each ordered pair in the mean over the pairs of n points.

    Raises:
        ValueError: the estimator is ``u`` and there are fewer than two points, which form no pair; or it is unknown.
    """
    if estimator == "v":
        return 1 / n**2
    if estimator != "u":
        raise ArgumentError("estimator", estimator, "u, v", "unknown")
    if n < 2:
        raise ArgumentError("n", n, "at least 2 points, or estimator=v", "a U-statistic compares two points")
    return 1 / (n * (n - 1))
