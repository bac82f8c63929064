"""KL(q(z) || p(z)) with log q(z) estimated from the mini-batch (Chen et al. 2018, beta-TCVAE, arXiv 1802.04942).

q(z) = (1/N) sum_j q(z|x_j) over a data set of N examples; a batch holds n of them. Below, ``log_density`` is the (n, n)
matrix of log q(z_i|x_j).

Both estimators are biased. The stratified one estimates the density q(z_i) without bias, so by Jensen's inequality its
logarithm is too low: for N = 500 in a known mixture by 0.91 nats at n = 16, 0.35 at 64 and 0.07 at 256. Compared with
the *population*, q(z) of a finite data set is itself too high where posteriors are narrow: it scores z_i by its own.
"""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.codes import Codes
from infovae.divergences.divergence import Divergence
from infovae.priors.prior import Prior


def stratified_log_aggregate(log_density: Float[Tensor, "n n *b"], dataset_size: int) -> Float[Tensor, "n *b"]:
    """Return log q(z_i) by mini-batch stratified sampling; further dimensions, as of marginals, are kept apart.

    The term of x_i, which z_i was drawn from, is known and has weight 1/N. The rest of the batch estimates the other
    N - 1 terms. The estimate of q(z_i) is unbiased for a batch drawn without replacement, and exact for a batch that is
    the whole data set; its logarithm is then biased downwards. Chen et al. give one example of the batch a weight of
    its own. Here all weigh the same: this is their estimate averaged over the batch's orders, of less variance.

    Args:
        log_density: log q(z_i|x_j).
        dataset_size: N. A batch of one can't estimate the other terms, and returns log q(z_i|x_i).
    """
    n = len(log_density)
    if n == 1:
        return log_density.squeeze(1)
    dataset_size = max(dataset_size, n)
    log_weight = log_density.new_full((n, n), math.log((dataset_size - 1) / (dataset_size * (n - 1))))
    log_weight.fill_diagonal_(-math.log(dataset_size))
    return torch.logsumexp(log_density + log_weight.view(n, n, *[1] * (log_density.ndim - 2)), dim=1)


def weighted_log_aggregate(log_density: Float[Tensor, "n n *b"], dataset_size: int) -> Float[Tensor, "n *b"]:
    """Return log q(z_i) by mini-batch weighted sampling: log sum_j q(z_i|x_j) - log(n N).

    This is too low by log n nats if the posteriors are far apart, and by log N if they all coincide. KL(q(z) || p(z))
    is then too low as well, and often negative. The gradient differs from the stratified one: x_i has the same weight
    as the rest of the batch.

    Args:
        log_density: log q(z_i|x_j).
        dataset_size: N.
    """
    n = len(log_density)
    return torch.logsumexp(log_density, dim=1) - math.log(n * max(dataset_size, n))


Estimator = Literal["stratified", "weighted"]
ESTIMATORS = {"stratified": stratified_log_aggregate, "weighted": weighted_log_aggregate}


class KL(Divergence):
    """KL(q(z) || p(z)) in nats.

    Args:
        estimator: the estimator of log q(z), ``stratified`` or ``weighted`` mini-batch sampling.
    """

    compiles = True
    needs = frozenset({"log_prob"})
    needs_posterior_density = True

    def __init__(self, estimator: Estimator = "stratified") -> None:
        super().__init__()
        self.log_aggregate = ESTIMATORS[estimator]

    def forward(self, codes: Codes, prior: Prior) -> Float[Tensor, ""]:
        log_aggregate = self.log_aggregate(codes.density()(codes.z), codes.dataset_size)
        return (log_aggregate - prior.log_prob(codes.z)).mean()
