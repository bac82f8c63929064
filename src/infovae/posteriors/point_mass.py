"""A distribution with all of its mass at one point."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution
from torch.distributions.constraints import Constraint
from torch.distributions.kl import register_kl


class PointMass(Distribution):
    """Put all mass of each example at one point."""

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
    """Return infinity: a point has no density, so its KL to any density is infinite."""
    return torch.full(posterior.batch_shape, torch.inf, device=posterior.location.device)
