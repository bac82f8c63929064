"""The common part of priors that are mixtures of as many distributions as they have components."""

from abc import abstractmethod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal

from infovae.codes import normal_density
from infovae.priors.prior import Prior


class Mixture(MixtureSameFamily):
    """torch's mixture, whose densities come from one matrix product if its components are diagonal Gaussians.

    Uncompiled, 500 components in 50 dimensions take a thirtieth of the time. Differences are taken in float64.
    """

    def log_prob(self, value: Float[Tensor, "*n d"]) -> Float[Tensor, " *n"]:
        components: Any = self.component_distribution
        if not is_diagonal(components):
            return super().log_prob(value)
        normal = components.base_dist
        log_density = normal_density(normal.loc, normal.variance)(value.reshape(-1, value.shape[-1]))
        log_weight = self.mixture_distribution.logits.to(log_density.dtype)
        return (log_density + log_weight).logsumexp(dim=1).reshape(value.shape[:-1])


def is_diagonal(components: Distribution) -> bool:
    """Return whether these are Gaussians with diagonal covariances."""
    return isinstance(components, Independent) and isinstance(components.base_dist, Normal)


class MixturePrior(Prior):
    """(1/K) sum_k p_k(z), for diagonal Gaussians p_k or for distributions with a method ``take``."""

    @abstractmethod
    def components(self) -> Distribution:
        """Return the p_k, with batch shape (K,) and event shape (d,)."""

    def distribution(self) -> Distribution:
        components = self.components()
        weights = Categorical(logits=components.mean.new_zeros(len(components.mean)), validate_args=False)
        return Mixture(weights, components, validate_args=False)

    @torch.no_grad()
    def sample(self, n: int) -> Float[Tensor, "n d"]:
        # MixtureSameFamily would draw from every component, (n, K, d), and keep one draw in K.
        components: Any = self.components()
        mean = components.mean
        chosen = torch.randint(len(mean), (n,), device=mean.device)
        if is_diagonal(components):
            return torch.normal(components.base_dist.loc[chosen], components.base_dist.scale[chosen])
        return components.take(chosen).sample()
