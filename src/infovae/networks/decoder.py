"""What a decoder is."""

from abc import ABC
from collections.abc import Callable, Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

FromParameters = Callable[[Tensor], Distribution]
"""A likelihood: parameters, (n, k, h, w), to a distribution over images whose pixels and channels are independent."""


class Decoder(nn.Module, ABC):
    """Makes p(x|z) of a code z and a likelihood.

    As it stands for decoders whose ``forward`` maps (n, d) to the likelihood's parameters, (n, k, h, w): given z,
    pixels are then independent. A decoder whose pixels depend on one another has a :meth:`distribution` of its own.
    """

    def distribution(self, z: Float[Tensor, "n d"], likelihood: FromParameters) -> Distribution:
        """p(x|z) with batch shape (n,) and event shape (c, h, w); log_prob is in nats per example."""
        return likelihood(self(z))


def parameter_shape(image_shape: Sequence[int], parameters_per_channel: int) -> tuple[int, int, int]:
    """(k, h, w) of the likelihood's parameters for images of (c, h, w); number j belongs to channel j mod c."""
    channels, height, width = image_shape
    return parameters_per_channel * channels, height, width
