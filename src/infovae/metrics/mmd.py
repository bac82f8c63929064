"""One fixed ruler for the distance of q(z) from the prior, whatever divergence trained it."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.codes import Codes
from infovae.divergences.kernels import Gaussian, Kernel, squared_distances
from infovae.divergences.pair_sum import row_blocks
from infovae.metrics.metric import CodeMetric
from infovae.priors.prior import Prior
from infovae.priors.standard_normal import StandardNormal
from infovae.streams import isolated_stream


@runtime_checkable
class Pairs(Protocol):
    """A matrix of k(z_i, z_j) that gives rows at a time; a tensor is one."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice) -> Float[Tensor, "rows n"]: ...


@dataclass(frozen=True)
class KernelPairs:
    """The matrix of a kernel over points, whose rows are made when they are asked for."""

    z: Float[Tensor, "n d"]
    kernel: Kernel
    squared_bandwidth: float

    def __len__(self) -> int:
        return len(self.z)

    def __getitem__(self, rows: slice) -> Float[Tensor, "rows n"]:
        return self.kernel.evaluate(squared_distances(self.z[rows], self.z), self.squared_bandwidth)


def one_sample_mmd_squared(
    pairs: Pairs, to_prior: Float[Tensor, " n"], within_prior: Float[Tensor, ""]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """The unbiased MMD^2 of a sample from a known distribution, and its standard error; a block of rows at a time.

    It is the U-statistic of h(z, z') = k(z, z') - m(z) - m(z') + c with m(z) = E_y k(z, y), c = E k(y, y'), of variance
    4 (n - 2) / (n (n - 1)) var h_1 + 2 / (n (n - 1)) var h (Hoeffding 1948), with h_1 the mean over one argument,
    whose sampled variance is first freed of the share that a mean of n - 1 terms has by itself and then cut at 0: near
    q = p, where h_1 vanishes, the standard error is too large by about a fifth rather than ever too small.

    Args:
        pairs: k(z_i, z_j).
        to_prior: m(z_i).
        within_prior: c.
    """
    n = len(to_prior)
    count = n * (n - 1)
    row_sums, squares = torch.empty_like(to_prior), to_prior.new_zeros(())
    for rows in row_blocks(n, n):
        h = (pairs[rows] - to_prior[rows, None]).sub_(to_prior).add_(within_prior)
        h.diagonal(rows.start).zero_()
        row_sums[rows] = h.sum(dim=1)
        squares += h.square_().sum()
    mean = row_sums.sum() / count
    variance = ((squares - count * mean.square()) / (count - 1)).clamp_min(0) if n > 2 else mean.square()
    projected = ((row_sums / (n - 1)).var() - variance / (n - 1)).clamp_min(0)
    squared_error = 4 * (n - 2) / count * projected + 2 / count * variance
    return mean, squared_error.sqrt()


class MMDToPrior(CodeMetric):
    """MMD^2(q(z), p(z)), unbiased, with its standard error: the same kernel and sample size in every run.

    The kernel is exp(-||x - y||^2 / (2 d)). Expectations over the prior are exact for N(0, I), otherwise taken over
    ``prior_samples`` draws that are the same in every run. Their noise shifts all runs alike, and the standard error,
    which serves to compare runs, leaves it out. Fewer than two codes give nan.

    Args:
        prior: p(z).
        samples: at most so many codes are used, the first that the split gives.
        prior_samples: draws that stand for a prior without a closed form.
    """

    z: list[Tensor]

    def __init__(self, prior: Prior, samples: int = 2000, prior_samples: int = 10000) -> None:
        super().__init__(prior)
        if samples < 2:
            raise ValueError(f"samples={samples}: invalid; accepted: whole numbers of at least 2")
        self.add_state("z", [], dist_reduce_fx="cat")
        self.samples = samples
        self.prior_samples = prior_samples
        self.bandwidth = float(prior.latent_dim)

    def update(self, codes: Codes) -> None:
        held = sum(len(z) for z in self.z)
        if held < self.samples:
            self.z.append(codes.z[: self.samples - held].double())

    def compute(self) -> dict[str, Tensor]:
        z = torch.cat(list(self.z))[: self.samples] if isinstance(self.z, list) else self.z[: self.samples]
        if len(z) < 2:
            missing = torch.tensor(torch.nan)
            return {"mmd": missing, "mmd_standard_error": missing}
        kernel = Gaussian()
        pairs = KernelPairs(z, kernel, self.bandwidth)
        if isinstance(self.prior, StandardNormal):
            to_prior = kernel.normal_mean(z, self.bandwidth)
            within_prior = torch.as_tensor(kernel.normal_mean_mean(z.shape[1], self.bandwidth))
        else:
            to_prior, within_prior = self._sampled_prior_terms(z, kernel)
        value, standard_error = one_sample_mmd_squared(pairs, to_prior, within_prior)
        return {"mmd": value, "mmd_standard_error": standard_error}

    def _sampled_prior_terms(self, z: Tensor, kernel: Gaussian) -> tuple[Tensor, Tensor]:
        with isolated_stream(z.device):
            y = self.prior.sample(self.prior_samples).double()
        to_prior = torch.cat(
            [
                kernel.evaluate(squared_distances(z[rows], y), self.bandwidth).mean(dim=1)
                for rows in row_blocks(len(z), len(y))
            ]
        )
        first, second = y.chunk(2)
        return to_prior, kernel.evaluate(squared_distances(first, second), self.bandwidth).mean()
