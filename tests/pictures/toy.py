"""Models small enough to know what a picture should show."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent, Normal

from infovae.codes import Codes
from infovae.model import Observed
from infovae.posteriors.point_mass import PointMass
from infovae.priors.prior import Prior
from infovae.priors.standard_normal import StandardNormal


class Toy(nn.Module):
    """Codes are what it is told; a decoded image is grey as sigmoid(z_1). Nothing of InfoVAE but the protocol."""

    def __init__(
        self, prior: Prior, shape: tuple[int, ...] = (1, 4, 4), scale: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        super().__init__()
        self.prior = prior
        self.shape = shape
        self.scale = scale
        self.decoded: list[Tensor] = []

    def encode(self, images: Tensor) -> Distribution:
        mean = images.flatten(1).mean(dim=1, keepdim=True).repeat(1, self.prior.latent_dim)
        if self.scale is None:
            return PointMass(mean)
        return Independent(Normal(mean, self.scale(mean), validate_args=False), 1, validate_args=False)

    def decode(self, z: Tensor) -> Distribution:
        self.decoded.append(z)
        grey = torch.sigmoid(z[:, 0]).view(-1, *[1] * len(self.shape)).expand(-1, *self.shape)
        return Independent(Bernoulli(probs=grey, validate_args=False), len(self.shape), validate_args=False)


def toy(latent_dim: int = 2, shape: tuple[int, ...] = (1, 4, 4)) -> Toy:
    return Toy(StandardNormal(latent_dim), shape)


def observed(mean: Tensor, variance: Tensor, shape: tuple[int, ...] = (1, 4, 4), classes: int = 10) -> Observed:
    """Examples with these posteriors, and random images of no relation to them."""
    n = len(mean)
    z = mean + variance.sqrt() * torch.randn_like(mean)
    return Observed(torch.rand(n, *shape), torch.arange(n) % classes, Codes(z, mean, variance, n))
