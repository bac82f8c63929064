"""The common part of priors that are mixtures of as many distributions as they have components."""

from abc import abstractmethod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal

from infovae.priors.prior import Prior


class MixturePrior(Prior):
    """(1/K) sum_k p_k(z), for diagonal Gaussians p_k or for distributions with a method ``take``."""

    @abstractmethod
    def components(self) -> Distribution:
        """Return the p_k, with batch shape (K,) and event shape (d,)."""

    def distribution(self) -> Distribution:
        components = self.components()
        weights = Categorical(logits=components.mean.new_zeros(len(components.mean)), validate_args=False)
        return MixtureSameFamily(weights, components, validate_args=False)

    @torch.no_grad()
    def sample(self, n: int) -> Float[Tensor, "n d"]:
        # MixtureSameFamily would draw from every component, (n, K, d), and keep one draw in K.
        components: Any = self.components()
        mean = components.mean
        chosen = torch.randint(len(mean), (n,), device=mean.device)
        if isinstance(components, Independent) and isinstance(components.base_dist, Normal):
            return torch.normal(components.base_dist.loc[chosen], components.base_dist.scale[chosen])
        drawn: Tensor = components.take(chosen).sample()
        return drawn
