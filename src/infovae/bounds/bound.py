"""The interface of a bound on log p(x) that takes the place of the ELBO."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from infovae.objective import Number
from infovae.objective import rate as rate_of
from infovae.posteriors.posterior import Posterior


class Bound(nn.Module, ABC):
    """A lower bound on log p(x) from k codes of each example.

    In the objective it replaces reconstruction + (1 - alpha) * rate, its value with one code. Both stay apart in the
    log: each is an average over the codes, as with the ELBO.
    """

    samples: int
    """k."""

    detaches_posterior: bool = False
    """Whether log q(z|x) has a gradient through z alone, and none through the parameters of q(z|x)."""

    compiles: bool = True
    """Whether ``compile=true`` compiles training steps with this bound; no step is compiled otherwise."""

    def check_posterior(self, posterior: Posterior) -> None:
        """Refuse a posterior that this bound can't be estimated for, before training.

        Raises:
            ArgumentError: the posterior is refused.
        """

    def prepare(self, z: Float[Tensor, "k n d"]) -> Float[Tensor, "k n d"]:
        """Return the codes that the bound is computed from; a place to change their gradient."""
        return z

    def terms(
        self,
        posterior: Distribution,
        prior: Distribution,
        first: Float[Tensor, "n d"],
        draw: Callable[[], Float[Tensor, "n d"]],
        log_likelihood: Callable[[Float[Tensor, "k n d"]], Float[Tensor, "k n"]],
        rate_weight: Number,
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"], Float[Tensor, " n"]]:
        """Return reconstruction and rate of each example, averaged over its codes, and the negative bound.

        Args:
            posterior: q(z|x).
            prior: p(z).
            first: one code of each example.
            draw: returns another of each.
            log_likelihood: returns log p(x|z) of k codes of each.
            rate_weight: 1 - alpha.
        """
        draws: list[Tensor] = []
        log_densities: list[Tensor] = []
        for number in range(self.samples):
            draws.append(draw() if number else first)
            if not self.detaches_posterior:  # at once: a flow knows the density of its latest sample
                log_densities.append(posterior.log_prob(draws[-1]))
        z = self.prepare(torch.stack(draws))
        log_density = torch.stack(log_densities) if log_densities else detached(posterior).log_prob(z)
        fit = log_likelihood(z)
        log_ratio = log_density - prior.log_prob(z)
        return -fit.mean(dim=0), rate_of(posterior, prior, first, log_ratio), self(fit, log_ratio, rate_weight)

    @abstractmethod
    def forward(
        self, log_likelihood: Float[Tensor, "k n"], log_ratio: Float[Tensor, "k n"], rate_weight: Number
    ) -> Float[Tensor, " n"]:
        """Return the negative bound of each example, in nats.

        Args:
            log_likelihood: log p(x|z_k).
            log_ratio: log q(z_k|x) - log p(z_k).
            rate_weight: 1 - alpha.
        """


def detached(distribution: Distribution) -> Distribution:
    """Return the same distribution, with parameters that have no gradient."""
    constant = copy.copy(distribution)
    for name, part in vars(distribution).items():
        if isinstance(part, Tensor):
            vars(constant)[name] = part.detach()
        elif isinstance(part, Distribution):
            vars(constant)[name] = detached(part)
    return constant
