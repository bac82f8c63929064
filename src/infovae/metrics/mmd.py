"""MMD from q(z) to the prior with one fixed kernel, so that runs compare, whatever divergence trained them."""

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.divergences.kernels import Gaussian, Kernel, squared_distances
from infovae.divergences.mmd_standardized import null_deviation
from infovae.divergences.pair_sum import row_blocks
from infovae.errors import require_at_least
from infovae.exact import exact
from infovae.metrics.metric import FirstCodesMetric
from infovae.priors.prior import Prior
from infovae.priors.standard_normal import StandardNormal
from infovae.streams import isolated_stream


def one_sample_mmd_squared(
    z: Float[Tensor, "n d"],
    kernel: Kernel,
    squared_bandwidth: float,
    to_prior: Float[Tensor, " n"],
    within_prior: Float[Tensor, ""],
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Return the unbiased MMD^2 of a sample from a known distribution, and its standard error, a block of rows a time.

        MMD^2 = 1 / (n (n - 1)) sum_{i != j} h(z_i, z_j),    h(z, z') = k(z, z') - m(z) - m(z') + c

    with m(z) = E_y k(z, y) and c = E k(y, y'). It is the U-statistic that trains,
    :func:`infovae.divergences.mmd.mmd_squared_to_standard_normal`, but the error needs each row's sum, taken here. Its
    variance is 4 (n - 2) / (n (n - 1)) var h_1 + 2 / (n (n - 1)) var h (Hoeffding 1948), with h_1 the mean over one
    argument. The sampled variance of h_1 includes what a mean of n - 1 terms varies by itself; that share is taken off,
    and the rest cut at 0. Near q = p, where h_1 vanishes, the error is therefore about a fifth too large, and never
    much too small. Fewer than 2 points have no MMD^2 and fewer than 3 no standard error: nan.

    Args:
        z: the sample.
        kernel: k.
        squared_bandwidth: of k.
        to_prior: m(z_i).
        within_prior: c.
    """
    n = len(to_prior)
    count = n * (n - 1)  # a mean over no pair, 0 / 0, is nan
    row_sums, squares = torch.empty_like(to_prior), to_prior.new_zeros(())
    for rows in row_blocks(n, n):
        pairs = kernel.evaluate(squared_distances(z[rows], z), squared_bandwidth)
        h = (pairs - to_prior[rows, None]).sub_(to_prior).add_(within_prior)
        h.diagonal(rows.start).zero_()
        row_sums[rows] = h.sum(dim=1)
        squares += h.square_().sum()
    mean = row_sums.sum() / count
    if n < 3:
        return mean, to_prior.new_tensor(torch.nan)
    variance = ((squares - count * mean.square()) / (count - 1)).clamp_min(0)
    projected = ((row_sums / (n - 1)).var() - variance / (n - 1)).clamp_min(0)
    squared_error = 4 * (n - 2) / count * projected + 2 / count * variance
    return mean, squared_error.sqrt()


class MMDToPrior(FirstCodesMetric):
    """MMD^2(q(z), p(z)), unbiased, with its standard error, by the same kernel and sample size in every run.

    The kernel is exp(-||x - y||^2 / (2 d)). Expectations over the prior are exact for N(0, I). For other priors they
    are averages over ``prior_samples`` draws, the same in every run. The noise of these draws shifts all runs alike, so
    the standard error, which serves to compare runs, leaves it out. Fewer than two codes give nan.

    ``mmd_standardized``, for N(0, I) alone, is MMD^2 in units of its standard deviation if codes came from the prior:
    see :func:`infovae.divergences.mmd_standardized.null_deviation`.

    Args:
        samples: how many codes to use, at most, the first that the split gives.
        prior_samples: how many draws stand for a prior without a closed form.
    """

    def __init__(self, prior: Prior, samples: int = 2000, prior_samples: int = 10000) -> None:
        super().__init__(prior, samples)
        require_at_least(2, samples=samples, prior_samples=prior_samples)
        self.prior_samples = prior_samples
        self.bandwidth = float(prior.latent_dim)

    def compute(self) -> dict[str, Tensor]:
        z, kernel = torch.cat(list(self.z)), Gaussian()
        self.reason = "an unbiased MMD^2 needs two codes, and its standard error three" if len(z) < 3 else None
        if isinstance(self.prior, StandardNormal):
            to_prior = kernel.normal_mean(z, self.bandwidth)
            within_prior = torch.as_tensor(kernel.normal_mean_mean(z.shape[1], self.bandwidth))
        else:
            to_prior, within_prior = self._sampled_prior_terms(z, kernel)
        value, error = one_sample_mmd_squared(z, kernel, self.bandwidth, to_prior, within_prior)
        measured = {"mmd": value, "mmd_standard_error": error}
        if isinstance(self.prior, StandardNormal):
            n, d = z.shape
            unit = null_deviation(n, d, self.bandwidth) if n > 1 else torch.nan
            measured["mmd_standardized"] = value / unit
        return measured

    def _sampled_prior_terms(self, z: Tensor, kernel: Gaussian) -> tuple[Tensor, Tensor]:
        with isolated_stream(z.device):
            y = exact(self.prior.sample(self.prior_samples))
        means = [
            kernel.evaluate(squared_distances(z[rows], y), self.bandwidth).mean(dim=1)
            for rows in row_blocks(len(z), len(y))
        ]
        first, second = y.chunk(2)
        return torch.cat(means), kernel.evaluate(squared_distances(first, second), self.bandwidth).mean()
