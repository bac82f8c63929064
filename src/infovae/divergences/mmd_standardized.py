"""MMD^2 in units of its standard deviation for q = p (Rustamov 2019, arXiv 1901.03227, section 3).

With m(z) = E_y k(z, y) and c = E k(y, y'), the unbiased MMD^2 is the average of h(z, z') = k(z, z') - m(z) - m(z') + c
over the pairs of n codes. For q = p its mean is 0. The average of h over one argument is then 0 as well, so pairs are
uncorrelated and

    Var MMD^2 = 2 / (n (n - 1)) E h^2,        E h^2 = E k^2 - 2 E m^2 + c^2

For p = N(0, I) and the kernel exp(-||x - y||^2 / (2 a)) each term has a closed form:

    E k^2 = (a / (a + 4))^(d/2),    E m^2 = (a^2 / ((a + 1) (a + 3)))^(d/2),    c = (a / (a + 2))^(d/2)
"""

import math

from jaxtyping import Float
from torch import Tensor

from infovae.codes import Codes
from infovae.divergences.bandwidths import Bandwidth, squared_bandwidth
from infovae.divergences.divergence import Divergence
from infovae.divergences.kernels import Gaussian
from infovae.divergences.mmd import MMD
from infovae.divergences.pair_weight import pair_weight
from infovae.divergences.samples import check_bandwidth
from infovae.errors import ArgumentError
from infovae.priors.prior import Prior
from infovae.priors.standard_normal import StandardNormal


def null_deviation(n: int, dimension: int, squared_bandwidth: float) -> float:
    """Return the standard deviation of the unbiased MMD^2 of n draws from N(0, I) to N(0, I), for a Gaussian kernel.

    E h^2 is computed as c^2 (E k^2 / c^2 - 1 - 2 (E m^2 / c^2 - 1)): for wide kernels its terms nearly cancel.

    Raises:
        ValueError: there are fewer than two points, or the bandwidth isn't above 0.
    """
    check_bandwidth(squared_bandwidth)
    a = squared_bandwidth
    of_kernel = math.expm1(dimension / 2 * math.log1p(4 / (a * (a + 4))))
    of_mean = math.expm1(dimension / 2 * math.log1p(1 / ((a + 1) * (a + 3))))
    within = (a / (a + 2)) ** dimension
    return math.sqrt(2 * pair_weight(n, "u") * within * (of_kernel - 2 * of_mean))


class StandardizedMMD(Divergence):
    """The unbiased MMD^2 between a batch of codes and N(0, I), in units of its standard deviation for q = p.

    The kernel is Gaussian. Batches of codes from the prior itself have values of mean 0 and deviation 1, whatever d and
    n are.

    Args:
        bandwidth: sigma, or the rule ``2d`` or ``authors``. A bandwidth that depends on the codes would change the
            deviation.
    """

    compiles = True

    def __init__(self, bandwidth: Bandwidth = "2d") -> None:
        super().__init__()
        if bandwidth in ("median", "svgd"):
            raise ArgumentError("bandwidth", bandwidth, "2d, authors or a number above 0", "it depends on the codes")
        self.mmd = MMD(Gaussian(bandwidth), prior_terms="exact")

    @property
    def minimum_batch(self) -> int:
        return self.mmd.minimum_batch

    def check_prior(self, prior: Prior) -> None:
        super().check_prior(prior)
        if not isinstance(prior, StandardNormal):
            why = "the standard deviation of MMD^2 is known for N(0, I) only"
            raise ArgumentError("prior", type(prior).__name__, "prior=standard_normal, or divergence=mmd", why)

    def forward(self, codes: Codes, prior: Prior) -> Float[Tensor, ""]:
        bandwidth = squared_bandwidth(self.mmd.kernel.bandwidth, codes.z)
        assert isinstance(bandwidth, float)
        n, dimension = codes.z.shape
        mmd: Tensor = self.mmd(codes, prior)
        return mmd / null_deviation(n, dimension, bandwidth)
