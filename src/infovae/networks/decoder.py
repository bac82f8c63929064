"""The interface of a decoder."""

from abc import ABC
from collections.abc import Callable, Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

FromParameters = Callable[[Tensor], Distribution]
"""A likelihood: it maps parameters, (n, k, *s), to a distribution whose entries are independent."""


class Decoder(nn.Module, ABC):
    """Build p(x|z) from a code z and a likelihood.

    A subclass defines ``forward``, which maps (n, d) to the likelihood's parameters, (n, k, *s): given z, entries are
    then independent. A decoder whose entries depend on each other overrides :meth:`distribution`.
    """

    starts_at_mean: bool = False
    """Whether training begins with the likelihood's parameters of the mean example, given to :meth:`start_at`."""

    def start_at(self, parameters: Float[Tensor, "k *s"]) -> None:
        """Begin with these parameters, whatever z is; for decoders with ``starts_at_mean``."""

    def distribution(self, z: Float[Tensor, "n d"], likelihood: FromParameters) -> Distribution:
        """Return p(x|z) with batch shape (n,) and event shape (c, *s); log_prob is in nats per example."""
        return likelihood(self(z))


def parameter_shape(shape: Sequence[int], parameters_per_channel: int) -> tuple[int, ...]:
    """Return the shape (k, *s) of the likelihood's parameters; number j belongs to channel j mod c of the example."""
    channels, *spatial = shape
    return parameters_per_channel * channels, *spatial
