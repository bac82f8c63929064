"""The common part of priors that are mixtures of diagonal Gaussians."""

from abc import abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal

from infovae.priors.prior import Prior


class MixturePrior(Prior):
    """(1/K) sum_k N(mean_k, diag scale_k^2)."""

    @abstractmethod
    def components(self) -> Distribution:
        """Return the diagonal Gaussians, an Independent Normal of batch shape (K,) and event shape (d,)."""

    def distribution(self) -> Distribution:
        components = self.components()
        weights = Categorical(logits=components.mean.new_zeros(len(components.mean)), validate_args=False)
        return MixtureSameFamily(weights, components, validate_args=False)

    @torch.no_grad()
    def sample(self, n: int) -> Float[Tensor, "n d"]:
        # MixtureSameFamily would draw from every component, (n, K, d), and keep one draw in K.
        components = self.components()
        assert isinstance(components, Independent)
        normal = components.base_dist
        assert isinstance(normal, Normal)
        chosen = torch.randint(len(normal.loc), (n,), device=normal.loc.device)
        return torch.normal(normal.loc[chosen], normal.scale[chosen])
