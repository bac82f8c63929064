"""Gaussian entries."""

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Normal

from infovae.likelihoods.location_scale import LocationScale


class Gaussian(LocationScale):
    """N(mean(z), scale^2) for each entry; for the arguments see :class:`LocationScale`."""

    def entries(self, location: Float[Tensor, "n c *s"], scale: Float[Tensor, "n c *s"]) -> Distribution:
        return Normal(location, scale, validate_args=False)
