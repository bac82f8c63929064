"""Student-t entries, for data with outliers."""

import math

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, StudentT

from infovae.errors import ArgumentError
from infovae.likelihoods.location_scale import Link, LocationScale, Variance


class StudentTLikelihood(LocationScale):
    """A Student t around the decoder's location for each entry.

    Args:
        degrees_of_freedom: the fewer, the heavier the tails; the variance exists above 2.
        variance: see :class:`LocationScale`.
        scale: see :class:`LocationScale`.
        min_scale: see :class:`LocationScale`.
        location: see :class:`LocationScale`.

    Raises:
        ArgumentError: an argument is out of range.
    """

    def __init__(
        self,
        degrees_of_freedom: float = 4.0,
        variance: Variance = "fixed",
        scale: float = 0.1,
        min_scale: float = 0.01,
        location: Link = "identity",
    ) -> None:
        super().__init__(variance, scale, min_scale, location)
        if not 1 < degrees_of_freedom < math.inf:
            given = f"{degrees_of_freedom:g}"
            raise ArgumentError("degrees_of_freedom", given, "finite values above 1, where the mean exists")
        self.degrees_of_freedom = degrees_of_freedom

    def entries(self, location: Float[Tensor, "n c *s"], scale: Float[Tensor, "n c *s"]) -> Distribution:
        return StudentT(self.degrees_of_freedom, location, scale, validate_args=False)
