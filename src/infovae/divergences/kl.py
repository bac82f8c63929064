"""KL(q(z) || p(z)) with log q(z) estimated from the mini-batch (Chen et al. 2018, beta-TCVAE, arXiv 1802.04942).

q(z) = (1/N) sum_j q(z|x_j) over a data set of N examples, of which a batch shows n. ``log_density`` below holds
log q(z_i|x_j) of the batch, n by n.
"""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.codes import Codes
from infovae.divergences.divergence import Divergence
from infovae.priors.prior import Prior


def log_densities(codes: Codes) -> Float[Tensor, "n n"]:
    """log q(z_i | x_j) for every pair, in nats, for diagonal Gaussian posteriors.

    (z_i - mean_j)^2 / variance_j is expanded, so that one matrix product gives all pairs. What cancels in the expansion
    is of the order mean^2 / variance: for means of order 1 and a standard deviation of 1e-3, float32 would be wrong by
    whole nats, float64 is by 1e-9.
    """
    centre = codes.mean.detach().double().mean(dim=0)
    z, mean = codes.z.double() - centre, codes.mean.double() - centre
    variance = codes.variance.double()
    precision = variance.reciprocal()
    constant = (mean.square() * precision + variance.log() + math.log(2 * math.pi)).sum(dim=1)
    monomials = torch.cat([z.square(), z], dim=1)
    coefficients = torch.cat([precision, -2 * mean * precision], dim=1)
    return torch.addmm(constant, monomials, coefficients.T, beta=-0.5, alpha=-0.5).to(codes.z.dtype)


def stratified_log_aggregate(log_density: Float[Tensor, "n n"], dataset_size: int) -> Float[Tensor, " n"]:
    """log q(z_i) by mini-batch stratified sampling.

    z_i came from x_i, so that term is known and has weight 1/N; the other N - 1 are estimated by the rest of
    the batch. The estimate of q(z_i) itself is unbiased for a batch drawn without replacement, and exact for a batch
    that is the whole data set. Chen et al. give one example of the batch a weight of its own; here all
    share alike: their estimate averaged over the batch's orders, so of the same mean and less variance.

    Args:
        log_density: log q(z_i|x_j).
        dataset_size: N; a batch of one has nothing to estimate the others by and gives log q(z_i|x_i).
    """
    n = len(log_density)
    if n == 1:
        return log_density.squeeze(1)
    dataset_size = max(dataset_size, n)
    log_weight = torch.full_like(log_density, math.log((dataset_size - 1) / (dataset_size * (n - 1))))
    log_weight.fill_diagonal_(-math.log(dataset_size))
    return torch.logsumexp(log_density + log_weight, dim=1)


def weighted_log_aggregate(log_density: Float[Tensor, "n n"], dataset_size: int) -> Float[Tensor, " n"]:
    """log q(z_i) by mini-batch weighted sampling: log sum_j q(z_i|x_j) - log(n N).

    The mean of a lower bound of q(z_i): too small by log n nats where the posteriors are apart and by log N where they
    all coincide, so KL(q(z) || p(z)) comes out too small, mostly below 0. Its gradient differs from the stratified one
    in that x_i weighs no more than the rest of the batch.

    Args:
        log_density: log q(z_i|x_j).
        dataset_size: N.
    """
    n = len(log_density)
    return torch.logsumexp(log_density, dim=1) - math.log(n * max(dataset_size, n))


ESTIMATORS = {"stratified": stratified_log_aggregate, "weighted": weighted_log_aggregate}


class KL(Divergence):
    """KL(q(z) || p(z)) in nats.

    Args:
        estimator: of log q(z): ``stratified`` or ``weighted`` mini-batch sampling.
    """

    compiles = True
    needs = frozenset({"log_prob"})
    needs_posterior_density = True

    def __init__(self, estimator: Literal["stratified", "weighted"] = "stratified") -> None:
        super().__init__()
        self.log_aggregate = ESTIMATORS[estimator]

    def forward(self, codes: Codes, prior: Prior) -> Float[Tensor, ""]:
        diagonal, gained = codes.diagonal()
        log_density = log_densities(diagonal) + gained
        log_aggregate = self.log_aggregate(log_density, codes.dataset_size)
        return (log_aggregate - prior.log_prob(codes.z)).mean()
