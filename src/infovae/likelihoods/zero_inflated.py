"""Entries that are 0 more often than another likelihood says, such as genes that a cell's measurement missed."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent
from torch.nn import functional

from infovae.likelihoods.likelihood import Entries, Likelihood, independent, mean_given


class ZeroInflatedDistribution(Entries):
    """0 with a probability, and otherwise a draw of a discrete distribution, which may be 0 too."""

    def __init__(self, base: Distribution, logits: Tensor) -> None:
        self.base = base
        self.logits = logits
        super().__init__(base.batch_shape)

    @property
    def mean(self) -> Tensor:
        return torch.sigmoid(-self.logits) * self.base.mean

    def mean_given(self, x: Tensor) -> Tensor:
        """Return E[count | what the base is given of x], for each entry."""
        return torch.sigmoid(-self.logits) * mean_given(self.base, x)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log P(value) in nats."""
        drawn = self.base.log_prob(value) + functional.logsigmoid(-self.logits)
        zero = torch.logaddexp(functional.logsigmoid(self.logits).expand_as(drawn), drawn)
        return torch.where(value == 0, zero, drawn)

    @torch.no_grad()
    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        drawn = self.base.sample(torch.Size(sample_shape))
        return torch.where(torch.rand_like(drawn) < torch.sigmoid(self.logits), 0.0, drawn)


class ZeroInflated(Likelihood):
    """Another likelihood of counts, with a further probability of 0 whose logit the decoder outputs.

    Args:
        base: the likelihood of an entry that isn't forced to 0.
    """

    of = "counts"

    def __init__(self, base: Likelihood) -> None:
        super().__init__()
        self.base = base
        self.parameters_per_channel = base.parameters_per_channel + 1

    def forward(self, parameters: Float[Tensor, "n k *s"]) -> Distribution:
        channels = parameters.shape[1] // self.parameters_per_channel
        logits, rest = parameters.split([channels, parameters.shape[1] - channels], dim=1)
        counts = self.base(rest)
        assert isinstance(counts, Independent)
        return independent(ZeroInflatedDistribution(counts.base_dist, logits))
