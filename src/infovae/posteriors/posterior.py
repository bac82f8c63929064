"""What a posterior family is."""

from abc import ABC, abstractmethod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution


class Posterior(nn.Module, ABC):
    """Turns the encoder's output into q(z|x), a location-scale family: z = location(x) + scale(x) * noise."""

    parameters_per_dimension: ClassVar[int]
    """How many numbers the encoder gives for each latent dimension."""

    has_density: ClassVar[bool]
    """Whether log q(z|x) exists: without it the rate is infinite and can't be optimised."""

    @abstractmethod
    def forward(self, parameters: Float[Tensor, "n k"]) -> Distribution:
        """q(z|x) with batch shape (n,) and event shape (d,), reparameterised."""

    @abstractmethod
    def reparameterize(self, distribution: Distribution, noise: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """A sample of q(z|x) for each example, with gradient.

        The noise comes from outside, since under data-parallel training it must be drawn for the global batch.

        Args:
            distribution: what ``forward`` gave.
            noise: draws from N(0, I).
        """
