"""Counts with a Poisson distribution."""

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution
from torch.distributions import Poisson as PoissonDistribution

from infovae.likelihoods.likelihood import Likelihood, independent

LARGEST_LOG_RATE = 20.0
"""A decoder that has gone astray outputs rates that float32 can't hold."""


class Poisson(Likelihood):
    """Each entry is a count 0, 1, 2, ... whose log rate the decoder outputs."""

    of = "counts"

    def forward(self, parameters: Float[Tensor, "n c *s"]) -> Distribution:
        rate = parameters.clamp(-LARGEST_LOG_RATE, LARGEST_LOG_RATE).exp()
        return independent(PoissonDistribution(rate, validate_args=False))
