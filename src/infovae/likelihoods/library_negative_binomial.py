"""Counts, given the total of each example, as in scVI (Lopez et al. 2018, Nature Methods)."""

from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from infovae.likelihoods.likelihood import Entries, Likelihood, independent
from infovae.likelihoods.negative_binomial import LARGEST_LOG_DISPERSION, NegativeBinomialDistribution
from infovae.likelihoods.poisson import LARGEST_LOG_RATE


@runtime_checkable
class Totals(Protocol):
    """What the likelihood needs to know of the totals in the training split."""

    log_total_mean: float
    log_total_scale: float


class LibraryDistribution(Entries):
    """Negative binomial entries with the means l * share, where l is the example's total.

    Args:
        log_shares: log of each entry's share of its example, (n, c, *s).
        log_inverse_dispersion: see :class:`NegativeBinomialDistribution`.
        totals: mean and standard deviation of log l; a sample draws l from that log-normal distribution.
    """

    def __init__(self, log_shares: Tensor, log_inverse_dispersion: Tensor, totals: Totals) -> None:
        self.log_shares = log_shares
        self.log_inverse_dispersion = log_inverse_dispersion
        self.totals = totals
        super().__init__(log_shares.shape)

    @property
    def mean(self) -> Tensor:
        return (self.log_shares + self.totals.log_total_mean + self.totals.log_total_scale**2 / 2).exp()

    def given(self, log_total: Tensor) -> NegativeBinomialDistribution:
        """Return the entries of examples with these totals."""
        log_mean = (self.log_shares + log_total).clamp(-LARGEST_LOG_RATE, LARGEST_LOG_RATE)
        return NegativeBinomialDistribution(log_mean, self.log_inverse_dispersion)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log P(count | total of the example's counts) in nats, for each entry."""
        return self._given_total_of(value).log_prob(value)

    def mean_given(self, x: Tensor) -> Tensor:
        """Return E[count | total of the example's counts], for each entry."""
        return self._given_total_of(x).mean

    def _given_total_of(self, x: Tensor) -> NegativeBinomialDistribution:
        entries = tuple(range(-len(self.batch_shape) + 1, 0))
        return self.given(x.sum(dim=entries, keepdim=True).log())

    @torch.no_grad()
    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        n, *entries = self.log_shares.shape
        noise = torch.randn(*sample_shape, n, *[1] * len(entries)).to(self.log_shares)
        return self.given(self.totals.log_total_mean + self.totals.log_total_scale * noise).sample()


class LibraryNegativeBinomial(Likelihood):
    """Each entry is a count with the mean l * share: l is the example's total, and shares are a softmax over entries.

    The decoder outputs the logit of each share and the log of each inverse dispersion. log p(x|z) is given l, as in
    scvi-tools with ``gene_likelihood="nb"``, ``dispersion="gene-cell"`` and the observed library size.

    Args:
        values: the data's, which are :class:`Totals`. If the data aren't counts, ``build_likelihood`` refuses them, as
            it does for every likelihood.
    """

    of = "counts"
    parameters_per_channel = 2

    def __init__(self, values: Any) -> None:
        super().__init__()
        self.totals = values

    def forward(self, parameters: Float[Tensor, "n k *s"]) -> Distribution:
        logits, log_inverse_dispersion = parameters.chunk(2, dim=1)
        log_shares = logits.flatten(1).log_softmax(dim=1).view_as(logits)
        log_r = log_inverse_dispersion.clamp(-LARGEST_LOG_DISPERSION, LARGEST_LOG_DISPERSION)
        return independent(LibraryDistribution(log_shares, log_r, self.totals))
