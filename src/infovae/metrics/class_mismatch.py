"""Compare how often classes are generated with how often they occur (Zhao, Song, Ermon 2017, section 5)."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from infovae.exact import exact


class ClassMismatch(NamedTuple):
    """The distance between two class histograms.

    Attributes:
        squared: sum over classes of the squared difference.
        absolute: sum over classes of the absolute difference, from 0 to 2.
    """

    squared: Float64[Tensor, ""]
    absolute: Float64[Tensor, ""]


def class_histogram(labels: Int64[Tensor, " n"], classes: int) -> Float64[Tensor, " classes"]:
    """Return the share of each class; nan where there is no label."""
    return exact(torch.bincount(labels, minlength=classes)) / len(labels)


def class_mismatch(found: Float[Tensor, " classes"], wanted: Float[Tensor, " classes"]) -> ClassMismatch:
    """Return the distance of one histogram from another.

    n labels drawn from ``wanted`` itself are at a squared distance of (1 - ||wanted||^2) / n on average.
    """
    difference = exact(found - wanted)
    return ClassMismatch(difference.square().sum(), difference.abs().sum())
