"""p(z) = uniform on a box."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent
from torch.distributions import Uniform as UniformDistribution

from infovae.errors import ArgumentError
from infovae.priors.prior import Prior

UNIT_VARIANCE = math.sqrt(3)


class Uniform(Prior):
    """Uniform on [-half_width, half_width]^d.

    log p is -inf outside the box, and constant inside. So there is no score, and the KL from q(z) is infinite once a
    code lies outside. The rate of a Gaussian posterior is infinite too, and needs alpha = 1. Divergences between
    samples (mmd, adversarial, sliced_wasserstein) work.

    Args:
        latent_dim: d.
        half_width: half the side of the box; with the default sqrt(3), Cov[z] = I as under N(0, I).
    """

    provides = frozenset({"sample", "log_prob"})
    has_full_support = False

    low: Tensor
    high: Tensor

    def __init__(self, latent_dim: int, half_width: float = UNIT_VARIANCE) -> None:
        super().__init__(latent_dim)
        if not 0 < half_width < math.inf:
            raise ArgumentError("half_width", f"{half_width:g}", "finite values above 0")
        self.register_buffer("low", torch.full((latent_dim,), -half_width), persistent=False)
        self.register_buffer("high", torch.full((latent_dim,), half_width), persistent=False)

    def distribution(self) -> Distribution:
        return Independent(UniformDistribution(self.low, self.high, validate_args=False), 1, validate_args=False)

    def score(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        raise NotImplementedError("a uniform prior has no score: its log density is flat")
