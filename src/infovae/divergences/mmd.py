"""Maximum mean discrepancy (Gretton et al. 2012).

    MMD^2(q, p) = E k(z, z') - 2 E k(z, y) + E k(y, y')        z, z' ~ q(z),  y, y' ~ p(z)

The V-statistic includes the pairs of a point with itself: it is never negative, and too high by about 2/n. The
U-statistic leaves them out: it is unbiased, and below 0 about half the time when q = p.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.codes import Codes
from infovae.divergences.bandwidths import squared_bandwidth
from infovae.divergences.divergence import Divergence
from infovae.divergences.kernels import Gaussian, Kernel, NormalMeanKernel
from infovae.divergences.pair_sum import pair_sums, weighted_pair_sums
from infovae.divergences.pair_weight import Estimator, pair_weight
from infovae.divergences.samples import check_bandwidth, check_shapes
from infovae.divergences.value_with_gradient import ValueAndGradient, value_with_gradient
from infovae.errors import ArgumentError
from infovae.priors.prior import Prior
from infovae.priors.standard_normal import StandardNormal

DEFAULT_KERNEL = Gaussian()


def mmd_squared(
    z_q: Float[Tensor, "n d"],
    z_p: Float[Tensor, "m d"],
    kernel: Kernel,
    squared_bandwidth: float | Float[Tensor, ""],
    estimator: Estimator = "u",
) -> Float[Tensor, ""]:
    """Return MMD^2 between two samples, in memory that doesn't grow with the number of pairs.

        w_n sum_ij k(z_i, z_j) - 2 / (n m) sum_ij k(z_i, y_j) + w_m sum_ij k(y_i, y_j)

    The V-statistic has w_n = 1 / n^2; the U-statistic 1 / (n (n - 1)), and no pairs i = j within a sample. The three
    sums are taken in :func:`infovae.divergences.pair_sum.pair_sums`.

    Args:
        z_q: codes, which receive the gradient.
        z_p: draws from the prior, constants.
        kernel: a radial kernel.
        squared_bandwidth: its sigma^2, a constant.
        estimator: ``u`` (unbiased) or ``v`` (never negative).

    Raises:
        ValueError: the estimator is ``u`` and a sample has fewer than two points, the two differ in dimension, or the
            bandwidth isn't above 0.
    """
    check_shapes(z_q=(z_q, None, z_q.shape[-1]), z_p=(z_p, None, z_q.shape[-1]))
    check_bandwidth(squared_bandwidth)
    n, m = len(z_q), len(z_p)
    within_q, within_p = pair_weight(n, estimator), pair_weight(m, estimator)
    weights = (within_q, -2 / (n * m), within_p)
    return weighted_pair_sums(z_q, z_p, kernel, squared_bandwidth, weights, self_pairs=estimator == "v")


def mmd_squared_to_standard_normal(
    z: Float[Tensor, "n d"],
    kernel: NormalMeanKernel,
    squared_bandwidth: float | Float[Tensor, ""],
    estimator: Estimator = "u",
) -> Float[Tensor, ""]:
    """Return MMD^2 between a sample and N(0, I), without the noise of prior draws.

        w_n sum_ij k(z_i, z_j) - 2 / n sum_i m(z_i) + c,    m(z) = E_y k(z, y),    c = E k(y, y')

    The kernel knows m and c; w_n and the place of the sum over pairs are those of :func:`mmd_squared`. The metric
    ``mmd`` is this U-statistic with a standard error: :func:`infovae.metrics.mmd.one_sample_mmd_squared`.

    Raises:
        ValueError: the estimator is ``u`` and there are fewer than two points, or the bandwidth isn't above 0.
    """
    check_shapes(z=(z, None, None))
    check_bandwidth(squared_bandwidth)
    n, dimension = z.shape
    weights = (pair_weight(n, estimator), 0.0, 0.0)
    within_prior = kernel.normal_mean_mean(dimension, squared_bandwidth)

    def compute(z: Tensor, wants_gradient: bool) -> ValueAndGradient:
        pairs, pull = pair_sums(z, wants_gradient, z[:0], kernel, squared_bandwidth, weights, estimator == "v")
        to_prior, slope = kernel.normal_mean_derivatives(z.square().sum(dim=1), dimension, squared_bandwidth)
        value = pairs.add_(to_prior.sum(), alpha=-2 / n).add_(within_prior)
        return value, pull if pull is None else pull.addcmul_(z, slope[:, None], value=-4 / n)

    return value_with_gradient(z, compute)


class MMD(Divergence):
    """MMD^2 between a batch of codes and the prior, in units of the kernel.

    Args:
        kernel: a radial kernel with its bandwidth rule.
        estimator: ``u`` or ``v``.
        prior_terms: ``exact`` uses the closed form, which exists for Gaussian kernels and the standard normal prior.
            ``sampled`` uses as many prior draws as codes, and adds their noise. ``auto`` is exact if it can be.
    """

    compiles = True

    def __init__(
        self,
        kernel: Kernel = DEFAULT_KERNEL,
        estimator: Estimator = "u",
        prior_terms: Literal["auto", "exact", "sampled"] = "auto",
    ) -> None:
        super().__init__()
        if prior_terms == "exact" and not isinstance(kernel, NormalMeanKernel):
            raise ArgumentError(
                "prior_terms",
                "exact",
                "auto, sampled, or the kernel gaussian or gaussian_sum",
                f"the {type(kernel).__name__} kernel has no closed form",
            )
        self.kernel = kernel
        self.estimator = estimator
        self.prior_terms = prior_terms

    @property
    def minimum_batch(self) -> int:
        return 2 if self.estimator == "u" else 1

    def check_prior(self, prior: Prior) -> None:
        super().check_prior(prior)
        if self.prior_terms == "exact" and not isinstance(prior, StandardNormal):
            why = f"the closed form is for N(0, I), not {type(prior).__name__}"
            raise ArgumentError("divergence.prior_terms", "exact", "auto, sampled, or prior=standard_normal", why)

    def forward(self, codes: Codes, prior: Prior) -> Float[Tensor, ""]:
        has_closed_form = isinstance(prior, StandardNormal) and self.prior_terms != "sampled"
        if has_closed_form and isinstance(self.kernel, NormalMeanKernel):
            bandwidth = squared_bandwidth(self.kernel.bandwidth, codes.z)
            return mmd_squared_to_standard_normal(codes.z, self.kernel, bandwidth, self.estimator)
        z_p = prior.sample(len(codes.z))
        bandwidth = squared_bandwidth(self.kernel.bandwidth, torch.cat([codes.z, z_p]))
        return mmd_squared(codes.z, z_p, self.kernel, bandwidth, self.estimator)
