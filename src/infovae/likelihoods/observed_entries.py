"""Another likelihood, of the entries that are there."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent

from infovae.likelihoods.likelihood import Likelihood


class ObservedDistribution(Independent):  # type: ignore[type-arg]
    """Independent entries, of which a value may leave some out: they are NaN, and add nothing to log_prob."""

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log p of the entries that aren't NaN, in nats per example."""
        there = ~value.isnan()
        entries = self.base_dist.log_prob(torch.where(there, value, 0.0))
        axes = tuple(range(-self.reinterpreted_batch_ndims, 0))
        return torch.where(there, entries, 0.0).sum(dim=axes)

    def expand(self, batch_shape: Any, _instance: Any = None) -> "ObservedDistribution":
        new = self._get_checked_instance(ObservedDistribution, _instance)
        return super().expand(batch_shape, _instance=new)


class ObservedEntries(Likelihood):
    """p of the observed entries given z: entries are independent given z, so missing ones are simply left out.

    Args:
        base: the likelihood of all entries.
    """

    def __init__(self, base: Likelihood) -> None:
        super().__init__()
        self.base = base
        self.parameters_per_channel = base.parameters_per_channel

    def forward(self, parameters: Float[Tensor, "n k *s"]) -> Distribution:
        whole = self.base(parameters)
        assert isinstance(whole, Independent)
        return ObservedDistribution(whole.base_dist, whole.reinterpreted_batch_ndims, validate_args=False)
