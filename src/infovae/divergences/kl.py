"""KL(q(z) || p(z)) with log q(z) estimated from the mini-batch (Chen et al. 2018, beta-TCVAE)."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.codes import Codes
from infovae.divergences.divergence import Divergence
from infovae.priors.prior import Prior


def log_densities(codes: Codes) -> Float[Tensor, "n n"]:
    """log q(z_i | x_j) for every pair, in nats, for diagonal Gaussian posteriors.

    By matrix products: ||z_i - mean_j||^2 / variance_j is expanded, so nothing larger than (n, n) is held.
    """
    precision = codes.variance.reciprocal()  # (n, d)
    mahalanobis = (
        codes.z.square() @ precision.T
        - 2 * codes.z @ (codes.mean * precision).T
        + (codes.mean.square() * precision).sum(dim=1)
    )
    log_normalizer = (codes.variance.log() + math.log(2 * math.pi)).sum(dim=1)
    return -0.5 * (mahalanobis.clamp_min(0) + log_normalizer)


def stratified_log_aggregate(log_density: Float[Tensor, "n n"], dataset_size: int) -> Float[Tensor, " n"]:
    """log q(z_i) from a batch, with q(z) = (1/N) sum_j q(z|x_j) over a data set of N examples.

    z_i came from x_i, so that term is known and has weight 1/N; the other N - 1 are estimated by the rest of
    the batch. The estimate of q(z_i) itself is unbiased for a batch drawn without replacement. Chen et al. give the
    whole left-over weight to one example of the batch; here all share it, which has the same mean and less variance.

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


class KL(Divergence):
    """KL(q(z) || p(z)) in nats, by mini-batch stratified sampling."""

    needs = frozenset({"log_prob"})
    needs_posterior_density = True

    def forward(self, codes: Codes, prior: Prior) -> Float[Tensor, ""]:
        log_aggregate = stratified_log_aggregate(log_densities(codes), codes.dataset_size)
        return (log_aggregate - prior.log_prob(codes.z)).mean()
