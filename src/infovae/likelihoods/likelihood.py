"""The interface of a likelihood p(x|z)."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution


class Likelihood(nn.Module, ABC):
    """Turn the decoder's output into p(x|z) over images with pixels in [0, 1]."""

    parameters_per_channel: int = 1
    """How many numbers the decoder outputs for each pixel of each channel."""

    @abstractmethod
    def forward(self, parameters: Float[Tensor, "n k h w"]) -> Distribution:
        """Return p(x|z) with batch shape (n,) and event shape (c, h, w); log_prob is in nats per example."""
