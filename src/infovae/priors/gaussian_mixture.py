"""p(z) = a mixture of Gaussians on a ring or a grid (Makhzani et al. 2016, Adversarial Autoencoders, section 2.3)."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from infovae.errors import ArgumentError
from infovae.priors.mixture import MixturePrior

Arrangement = Literal["ring", "grid"]


def ring(components: int, radius: float) -> Float[Tensor, "k 2"]:
    """Return points at equal distances on a circle around 0, the first at angle 0."""
    angle = torch.arange(components, dtype=torch.float64) * (2 * math.pi / components)
    return radius * torch.stack([angle.cos(), angle.sin()], dim=1)


def grid(side: int, radius: float, dimension: int) -> Float[Tensor, "k dimension"]:
    """Return side^dimension points at equal distances that fill [-radius, radius]^dimension; 0 if ``side`` is 1."""
    ticks = torch.linspace(-radius, radius, side, dtype=torch.float64) if side > 1 else torch.zeros(1).double()
    return torch.cartesian_prod(*[ticks] * dimension).reshape(-1, dimension)


class GaussianMixture(MixturePrior):
    """Equally likely round Gaussians in the plane of z_1 and z_2; further dimensions are independent N(0, 1).

    In one dimension a grid is a row of points, and there is no ring.

    In each dimension of the plane Var[z] is scale^2 plus the variance of the centres. That variance is radius^2 / 2 on
    a ring of at least 3 components, and radius^2 (side + 1) / (3 (side - 1)) on a grid.

    Args:
        latent_dim: d.
        arrangement: ``ring`` or ``grid``.
        components: the number of Gaussians; a grid in the plane takes square numbers.
        radius: the radius of the ring, or half the side of the grid.
        scale: the standard deviation of each component in the plane.
    """

    centers: Tensor
    scales: Tensor

    def __init__(
        self,
        latent_dim: int,
        arrangement: Arrangement = "ring",
        components: int = 10,
        radius: float = 3.0,
        scale: float = 0.4,
    ) -> None:
        super().__init__(latent_dim)
        if components < 1:
            raise ArgumentError("components", components, "whole numbers of at least 1")
        if not 0 <= radius < math.inf:
            raise ArgumentError("radius", f"{radius:g}", "finite values of at least 0")
        if not 0 < scale < math.inf:
            raise ArgumentError("scale", f"{scale:g}", "finite values above 0")
        if arrangement == "ring" and latent_dim == 1:
            raise ArgumentError("arrangement", "ring", "grid, or latent_dim of at least 2", "one dimension has no ring")
        arranged = min(latent_dim, 2)
        if arrangement == "ring":
            points = ring(components, radius)
        else:
            side = round(components ** (1 / arranged))
            if side**arranged != components:
                raise ArgumentError("components", components, "square numbers, for a grid in the plane")
            points = grid(side, radius, arranged)
        centers = torch.zeros(components, latent_dim)
        centers[:, :arranged] = points
        scales = torch.ones(components, latent_dim)
        scales[:, :arranged] = scale
        self.register_buffer("centers", centers, persistent=False)
        self.register_buffer("scales", scales, persistent=False)

    def components(self) -> Distribution:
        return Independent(Normal(self.centers, self.scales, validate_args=False), 1, validate_args=False)
