"""What a measurement may ask of a model, wherever it was trained."""

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from infovae.priors.prior import Prior


@runtime_checkable
class Model(Protocol):
    """A latent variable model p(z) p(x|z) with an amortised posterior q(z|x), in evaluation mode."""

    prior: Prior
    """p(z)."""

    def encode(self, images: Float[Tensor, "n c h w"]) -> Distribution:
        """q(z|x) with batch shape (n,) and event shape (d,), for pixels in [0, 1]."""

    def decode(self, z: Float[Tensor, "n d"]) -> Distribution:
        """p(x|z) with batch shape (n,) and event shape (c, h, w)."""
