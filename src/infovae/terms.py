"""What the loss is made of."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor


class Terms(NamedTuple):
    """The terms of a batch's loss, averaged over its examples.

    Attributes:
        reconstruction: -E log p(x|z) in nats, summed over pixels.
        rate: E KL(q(z|x) || p(z)) in nats, summed over latent dimensions.
        divergence: D(q(z) || p(z)); nan where it isn't estimated.
        bound: what the loss has in the place of reconstruction + (1 - alpha) * rate; None: that sum.
    """

    reconstruction: Float[Tensor, ""]
    rate: Float[Tensor, ""]
    divergence: Float[Tensor, ""]
    bound: Float[Tensor, ""] | None = None
