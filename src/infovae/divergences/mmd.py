"""Maximum mean discrepancy (Gretton et al. 2012).

    MMD^2(q, p) = E k(z, z') - 2 E k(z, y) + E k(y, y')        z, z' ~ q(z),  y, y' ~ p(z)

The V-statistic keeps the pairs of a point with itself: never negative, biased upwards by about 2/n.
The U-statistic leaves them out: unbiased, and below 0 about half the time when q = p.
"""

from collections.abc import Callable
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from infovae.codes import Codes
from infovae.divergences.divergence import Divergence
from infovae.divergences.kernels import Gaussian, Kernel, NormalMeanKernel, squared_bandwidth, squared_distances
from infovae.priors.prior import Prior
from infovae.priors.standard_normal import StandardNormal

Estimator = Literal["u", "v"]
RadialKernel = Callable[[Tensor], Tensor]

DEFAULT_KERNEL = Gaussian()


def within(points: Float[Tensor, "n d"], kernel: RadialKernel, estimator: Estimator) -> Float[Tensor, ""]:
    """E k(x, x') over pairs of one sample.

    Raises:
        ValueError: the U-statistic of fewer than two points.
    """
    n = len(points)
    matrix = kernel(squared_distances(points, points))
    if estimator == "v":
        return matrix.mean()
    if n < 2:
        raise ValueError(f"a U-statistic needs at least 2 points, not {n}; estimator=v has no such limit")
    return (matrix.sum() - matrix.diagonal().sum()) / (n * (n - 1))


def mmd_squared(
    z_q: Float[Tensor, "n d"], z_p: Float[Tensor, "m d"], kernel: RadialKernel, estimator: Estimator = "u"
) -> Float[Tensor, ""]:
    """MMD^2 between two samples.

    Args:
        z_q: codes.
        z_p: draws from the prior.
        kernel: maps squared distances to kernel values.
        estimator: ``u`` (unbiased) or ``v`` (never negative).

    Raises:
        ValueError: the U-statistic of fewer than two points on either side.
    """
    between = kernel(squared_distances(z_q, z_p)).mean()
    return within(z_q, kernel, estimator) - 2 * between + within(z_p, kernel, estimator)


def mmd_squared_to_standard_normal(
    z: Float[Tensor, "n d"],
    kernel: NormalMeanKernel,
    squared_bandwidth: float | Tensor,
    estimator: Estimator = "u",
) -> Float[Tensor, ""]:
    """MMD^2 between a sample and N(0, I), free of the noise of prior draws.

    Both expectations over the prior have a closed form; only the pairs within ``z`` are estimated.

    Raises:
        ValueError: the U-statistic of fewer than two points.
    """
    pairs = within(z, lambda squared_distance: kernel.evaluate(squared_distance, squared_bandwidth), estimator)
    to_prior = kernel.normal_mean(z, squared_bandwidth).mean()
    return pairs - 2 * to_prior + kernel.normal_mean_mean(z.shape[1], squared_bandwidth)


class MMD(Divergence):
    """MMD^2 between a batch of codes and the prior, in units of the kernel (k(z, z) = 1).

    Args:
        kernel: a radial kernel with its bandwidth rule.
        estimator: ``u`` or ``v``.
        prior_terms: ``sampled`` takes as many prior draws as there are codes; ``exact`` uses the closed
            form, for Gaussian kernels and the standard normal prior.
    """

    def __init__(
        self,
        kernel: Kernel = DEFAULT_KERNEL,
        estimator: Estimator = "u",
        prior_terms: Literal["sampled", "exact"] = "sampled",
    ) -> None:
        super().__init__()
        if prior_terms == "exact" and not isinstance(kernel, NormalMeanKernel):
            raise ValueError(
                f"prior_terms=exact: the {type(kernel).__name__} kernel has no closed form; "
                "accepted are prior_terms=sampled or a kernel among Gaussian, GaussianSum"
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
            raise ValueError(
                f"prior_terms=exact: the closed form is for N(0, I), not {type(prior).__name__}; "
                "accepted are prior_terms=sampled or prior=standard_normal"
            )

    def forward(self, codes: Codes, prior: Prior) -> Float[Tensor, ""]:
        if isinstance(self.kernel, NormalMeanKernel) and self.prior_terms == "exact":
            bandwidth = squared_bandwidth(self.kernel.bandwidth, codes.z, codes.z)
            return mmd_squared_to_standard_normal(codes.z, self.kernel, bandwidth, self.estimator)
        z_p = prior.sample(len(codes.z))
        bandwidth = squared_bandwidth(self.kernel.bandwidth, codes.z, z_p)
        return mmd_squared(
            codes.z, z_p, lambda squared_distance: self.kernel.evaluate(squared_distance, bandwidth), self.estimator
        )
