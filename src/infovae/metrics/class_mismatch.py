"""Compare how often classes are generated with how often they occur (Zhao, Song, Ermon 2017, section 5)."""

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from infovae.exact import exact


def class_histogram(labels: Int64[Tensor, " n"], classes: int) -> Float64[Tensor, " classes"]:
    """Return the share of each class; nan where there is no label."""
    return exact(torch.bincount(labels, minlength=classes)) / len(labels)


def class_mismatch(
    found: Float[Tensor, " classes"], wanted: Float[Tensor, " classes"]
) -> tuple[Float64[Tensor, ""], Float64[Tensor, ""]]:
    """Return the sums over classes of the squared and of the absolute difference, which is at most 2.

    n labels drawn from ``wanted`` itself are at a squared distance of (1 - ||wanted||^2) / n on average.
    """
    difference = exact(found - wanted)
    return difference.square().sum(), difference.abs().sum()
