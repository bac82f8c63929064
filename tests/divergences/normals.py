"""Gaussians on the line, and what a critic makes of them, by integration instead of sampling."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.distributions import Normal
from torch.nn.functional import softplus

from infovae.codes import Codes
from infovae.divergences.critic import CriticDivergence
from infovae.priors.standard_normal import StandardNormal

GRID = torch.linspace(-40, 40, 160_001, dtype=torch.float64)
PRIOR = Normal(GRID.new_zeros(()), GRID.new_ones(()))
ADAM = partial(torch.optim.Adam, lr=1e-3, betas=(0.5, 0.999))


def normal(mean: float, scale: float) -> Normal:
    return Normal(GRID.new_tensor(mean), GRID.new_tensor(scale))


def expectation(distribution: Normal, values: Tensor) -> float:
    """E of a function given on the grid; the trapezoid rule is exact to rounding for what falls off this fast."""
    return torch.trapezoid(distribution.log_prob(GRID).exp() * values, GRID).item()


def variance(distribution: Normal, values: Tensor) -> float:
    return expectation(distribution, values.square()) - expectation(distribution, values) ** 2


def log_ratio(q: Normal) -> Tensor:
    """log p(z)/q(z) on the grid: the logit of the best critic."""
    return PRIOR.log_prob(GRID) - q.log_prob(GRID)


def jensen_shannon_terms(logits: Tensor) -> tuple[Tensor, Tensor]:
    """What JS averages over p and over q."""
    return math.log(2) / 2 - softplus(-logits) / 2, math.log(2) / 2 - softplus(logits) / 2


def jensen_shannon(q: Normal, logits: Tensor) -> tuple[float, Callable[[int], float]]:
    """What a critic with these logits finds in expectation, and its standard error from n codes and n prior draws."""
    over_p, over_q = jensen_shannon_terms(logits)
    spread = variance(PRIOR, over_p) + variance(q, over_q)
    return expectation(PRIOR, over_p) + expectation(q, over_q), lambda n: math.sqrt(max(spread, 0) / n)


def codes_from(q: Normal, n: int) -> Codes:
    z = q.sample((n, 1))
    return Codes(z, z, torch.zeros_like(z), n)


def learn(divergence: CriticDivergence, q: Normal, batch: int, steps: int) -> StandardNormal:
    """Train the critic to convergence on fresh codes; gives the prior that it was trained against."""
    prior = StandardNormal(1).double()
    for _ in range(steps):
        divergence.adapt(codes_from(q, batch), prior)
    return prior


def grid_logits(divergence: CriticDivergence) -> Tensor:
    with torch.no_grad():
        return divergence.logits(GRID[:, None])


def set_linear(divergence: CriticDivergence, slope: float, intercept: float) -> None:
    """Give a critic without hidden layers known weights."""
    with torch.no_grad():
        divergence.critic[0].weight.fill_(slope)
        divergence.critic[0].bias.fill_(intercept)
    divergence.has_learned = True
