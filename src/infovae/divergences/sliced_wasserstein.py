"""Sliced Wasserstein distance (Kolouri et al. 2018, Sliced-Wasserstein Autoencoders, arXiv 1804.01947).

    SW_p^p(q, p) = E_theta W_p^p(theta . z_q, theta . z_p)        theta uniform on the unit sphere

In one dimension, optimal transport between two samples of equal size pairs them in sorted order, so a projection costs
a sort. For a finite batch the value is too high, by the distance between two samples of the same law.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from infovae.codes import Codes
from infovae.divergences.divergence import Divergence
from infovae.divergences.samples import check_shapes
from infovae.errors import ArgumentError
from infovae.priors.prior import Prior


def random_directions(dimension: int, count: int, like: Tensor) -> Float[Tensor, "d count"]:
    """Return independent uniform directions, one per column, on the device and in the precision of ``like``."""
    return normalize(torch.randn(dimension, count, device=like.device, dtype=like.dtype), dim=0)


def sliced_wasserstein(
    z_q: Float[Tensor, "n d"], z_p: Float[Tensor, "n d"], directions: Float[Tensor, "d l"], power: float = 2.0
) -> Float[Tensor, ""]:
    """Return W_p^p between the projections of two samples, averaged over directions, in units of z^p.

    Args:
        z_q: codes.
        z_p: as many draws from the prior.
        directions: unit vectors, one per column.
        power: p, at least 1.

    Raises:
        ArgumentError: the two differ in shape, the directions in dimension, or the power is out of range.
    """
    n, d = len(z_q), z_q.shape[-1]
    check_shapes(z_q=(z_q, n, d), z_p=(z_p, n, d), directions=(directions, d, None))
    _check_power("power", power)
    sorted_q = (z_q @ directions).sort(dim=0).values  # (n, l)
    sorted_p = (z_p @ directions).sort(dim=0).values
    difference = sorted_q - sorted_p
    return (difference.square() if power == 2 else difference.abs().pow(power)).mean()


def _check_power(name: str, power: float) -> None:
    if not 1 <= power < float("inf"):
        raise ArgumentError(name, f"{power:g}", "finite values of at least 1")


class SlicedWasserstein(Divergence):
    """SW_p^p between a batch of codes and as many prior draws, with fresh directions at each call.

    For p = 2, it is ||m||^2 / d between N(m, I) and N(0, I).

    Args:
        projections: the number of directions.
        p: the power of the ground distance.
    """

    compiles = True

    def __init__(self, projections: int = 50, p: float = 2.0) -> None:
        super().__init__()
        if projections < 1:
            raise ArgumentError("projections", projections, "whole numbers of at least 1")
        _check_power("p", p)
        self.projections = projections
        self.p = p

    def forward(self, codes: Codes, prior: Prior) -> Float[Tensor, ""]:
        n, dimension = codes.z.shape
        directions = random_directions(dimension, self.projections, codes.z)
        return sliced_wasserstein(codes.z, prior.sample(n), directions, self.p)
