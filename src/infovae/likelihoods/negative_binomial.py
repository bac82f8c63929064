"""Counts that scatter more than a Poisson distribution allows, such as counts of genes."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution
from torch.nn import functional

from infovae.exact import exact, rounded
from infovae.likelihoods.likelihood import Entries, Likelihood, independent
from infovae.likelihoods.poisson import LARGEST_LOG_RATE

LARGEST_LOG_DISPERSION = 12.0
"""Beyond it the distribution is a Poisson distribution to the precision of float32."""


class NegativeBinomialDistribution(Entries):
    """A Gamma-Poisson mixture with a mean m and an inverse dispersion r: its variance is m + m^2 / r."""

    def __init__(self, log_mean: Tensor, log_inverse_dispersion: Tensor) -> None:
        self.log_mean = log_mean
        self.log_inverse_dispersion = log_inverse_dispersion
        super().__init__(log_mean.shape)

    @property
    def mean(self) -> Tensor:
        return self.log_mean.exp()

    @property
    def variance(self) -> Tensor:
        return self.mean + (2 * self.log_mean - self.log_inverse_dispersion).exp()

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log P(count) in nats."""
        # In float64: for r of 1e5, log gamma is of the order of 1e6, and float32 would be off by a tenth of a nat.
        log_mean, log_r, count = exact(self.log_mean), exact(self.log_inverse_dispersion), exact(value)
        r = log_r.exp()
        # log m/(m + r) and log r/(m + r) by softplus: neither underflows where m and r differ by many orders.
        logits = log_mean - log_r
        choices = torch.lgamma(count + r) - torch.lgamma(r) - torch.lgamma(count + 1)
        nats = choices - count * functional.softplus(-logits) - r * functional.softplus(logits)
        return rounded(nats, self.log_mean)

    @torch.no_grad()
    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        r = self.log_inverse_dispersion.exp().expand(shape)
        return torch.poisson(torch._standard_gamma(r) * (self.log_mean - self.log_inverse_dispersion).exp())


class NegativeBinomial(Likelihood):
    """Each entry is a count; the decoder outputs its log mean and the log of its inverse dispersion."""

    of = "counts"
    parameters_per_channel = 2

    def forward(self, parameters: Float[Tensor, "n k *s"]) -> Distribution:
        log_mean, log_inverse_dispersion = parameters.chunk(2, dim=1)
        return independent(
            NegativeBinomialDistribution(
                log_mean.clamp(-LARGEST_LOG_RATE, LARGEST_LOG_RATE),
                log_inverse_dispersion.clamp(-LARGEST_LOG_DISPERSION, LARGEST_LOG_DISPERSION),
            )
        )
