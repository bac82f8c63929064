"""Laplace entries, for data with outliers: a median in place of a mean."""

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution
from torch.distributions import Laplace as LaplaceDistribution

from infovae.likelihoods.location_scale import LocationScale


class Laplace(LocationScale):
    """exp(-|x - location(z)| / scale) / (2 scale) for each entry; for the arguments see :class:`LocationScale`."""

    def entries(self, location: Float[Tensor, "n c *s"], scale: Float[Tensor, "n c *s"]) -> Distribution:
        return LaplaceDistribution(location, scale, validate_args=False)
