"""Block MMD: the mean of U-statistics within blocks of the batch, linear in n (Zaremba et al. 2013, the B-test).

A block of the whole batch is the U-statistic itself. A block size of 2 is the linear-time MMD (Gretton et al. 2012,
section 6), except that it uses all four pairs across q and p, not two. The estimate is unbiased for every block size B.

For q = p its standard deviation is about sqrt(n / B) times the U-statistic's: for n = 1,024, 30 times at B = 2, 5.5 at
32, and 3 at 128 (``benchmarks/mmd_estimators.py``, table in ``docs/figures/mmd_estimators.csv``). Linear-time MMD is
too noisy to train with. At n = 128 blocks save no time, and divergence=mmd needs almost no memory either.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.codes import Codes
from infovae.divergences.bandwidths import squared_bandwidth
from infovae.divergences.divergence import Divergence
from infovae.divergences.kernels import Kernel, squared_distances
from infovae.divergences.mmd import DEFAULT_KERNEL
from infovae.divergences.pair_weight import pair_weight
from infovae.divergences.samples import check_bandwidth, check_shapes
from infovae.errors import require_at_least
from infovae.priors.prior import Prior


def block_mmd_squared(
    z_q: Float[Tensor, "n d"],
    z_p: Float[Tensor, "n d"],
    kernel: Kernel,
    squared_bandwidth: float | Float[Tensor, ""],
    block_size: int,
) -> Float[Tensor, ""]:
    """Return the mean of MMD^2 U-statistics over blocks, unbiased.

    Args:
        z_q: codes.
        z_p: as many draws from the prior.
        kernel: a radial kernel.
        squared_bandwidth: its sigma^2, a constant.
        block_size: the smallest size of a block. n // block_size blocks, or at least one, share the sample evenly. The
            remainder, fewer than n // block_size examples, is unused.

    Raises:
        ValueError: there are fewer than two points, the two differ in shape, or a number isn't above 0.
    """
    check_shapes(z_q=(z_q, None, None), z_p=(z_p, *z_q.shape))
    check_bandwidth(squared_bandwidth)
    require_at_least(2, block_size=block_size)
    n, d = z_q.shape
    pair_weight(n, "u")  # refuses a single point
    blocks = max(1, n // block_size)
    size = n // blocks
    q = z_q[: blocks * size].reshape(blocks, size, d)
    p = z_p[: blocks * size].reshape(blocks, size, d)

    def mean_over_pairs(x: Tensor, y: Tensor) -> Tensor:
        return kernel.evaluate(squared_distances(x, y), squared_bandwidth).mean()

    def mean_over_other_pairs(x: Tensor) -> Tensor:
        others = ~torch.eye(size, dtype=torch.bool, device=x.device)
        return kernel.evaluate(squared_distances(x, x)[:, others], squared_bandwidth).mean()

    return mean_over_other_pairs(q) - 2 * mean_over_pairs(q, p) + mean_over_other_pairs(p)


class BlockMMD(Divergence):
    """MMD^2 between a batch of codes and as many prior draws, by blocks.

    Args:
        kernel: a radial kernel with its bandwidth rule.
        block_size: the smallest number of examples in a block.
    """

    def __init__(self, kernel: Kernel = DEFAULT_KERNEL, block_size: int = 32) -> None:
        super().__init__()
        require_at_least(2, block_size=block_size)
        self.kernel = kernel
        self.block_size = block_size

    @property
    def minimum_batch(self) -> int:
        return 2

    def forward(self, codes: Codes, prior: Prior) -> Float[Tensor, ""]:
        z_p = prior.sample(len(codes.z))
        bandwidth = squared_bandwidth(self.kernel.bandwidth, torch.cat([codes.z, z_p]))
        return block_mmd_squared(codes.z, z_p, self.kernel, bandwidth, self.block_size)
