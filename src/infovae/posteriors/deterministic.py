"""q(z|x) = a point mass at mean(x)."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution
from torch.distributions.constraints import Constraint
from torch.distributions.kl import register_kl

from infovae.posteriors.posterior import Posterior


class PointMass(Distribution):
    """All mass of each example at one point."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {}
    has_rsample = True

    def __init__(self, location: Float[Tensor, "n d"]) -> None:
        self.location = location
        super().__init__(location.shape[:-1], location.shape[-1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.location

    @property
    def variance(self) -> Tensor:
        return torch.zeros_like(self.location)

    def rsample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        return self.location.expand(self._extended_shape(torch.Size(sample_shape)))


@register_kl(PointMass, Distribution)
def _infinite_kl(posterior: PointMass, prior: Distribution) -> Tensor:
    """A point has no density: its KL to anything that has one is infinite."""
    return torch.full(posterior.batch_shape, torch.inf, device=posterior.location.device)


class Deterministic(Posterior):
    """The code is a function of the example, as in an autoencoder; its rate is infinite."""

    parameters_per_dimension = 1
    has_density = False

    def forward(self, parameters: Float[Tensor, "n k"]) -> Distribution:
        return PointMass(parameters)

    def reparameterize(self, distribution: Distribution, noise: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        return distribution.mean
