"""p(z) = N(0, I)."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from infovae.priors.prior import Prior


class StandardNormal(Prior):
    """N(0, I_d), the paper's prior."""

    mean: Tensor
    scale: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__(latent_dim)
        self.register_buffer("mean", torch.zeros(latent_dim), persistent=False)
        self.register_buffer("scale", torch.ones(latent_dim), persistent=False)

    def distribution(self) -> Distribution:
        return Independent(Normal(self.mean, self.scale, validate_args=False), 1, validate_args=False)

    def sample(self, n: int) -> Float[Tensor, "n d"]:
        return torch.randn(n, self.latent_dim, dtype=self.mean.dtype, device=self.mean.device)

    def score(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        return -z.detach()
