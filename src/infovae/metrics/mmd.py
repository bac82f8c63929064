"""One fixed ruler for the distance of q(z) from the prior, whatever divergence trained it."""

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.codes import Codes
from infovae.divergences.kernels import Gaussian, squared_distances
from infovae.metrics.metric import CodeMetric
from infovae.priors.prior import Prior
from infovae.priors.standard_normal import StandardNormal


def one_sample_mmd_squared(
    pairs: Float[Tensor, "n n"], to_prior: Float[Tensor, " n"], within_prior: Float[Tensor, ""]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """The unbiased MMD^2 of a sample from a known distribution, and its standard error.

    It is the U-statistic of h(z, z') = k(z, z') - m(z) - m(z') + c with m(z) = E_y k(z, y), c = E k(y, y'), of variance
    4 (n - 2) / (n (n - 1)) var h_1 + 2 / (n (n - 1)) var h (Hoeffding 1948), with h_1 the mean over one argument,
    whose sampled variance is first freed of the share that a mean of n - 1 terms has by itself and then cut at 0: near
    q = p, where h_1 vanishes, the standard error is too large by about a fifth rather than ever too small.

    Args:
        pairs: k(z_i, z_j).
        to_prior: m(z_i).
        within_prior: c.
    """
    n = len(pairs)
    # In place: at 2,000 codes the pairs take 32 MB, which is what this costs its time.
    h = (pairs - to_prior[:, None]).sub_(to_prior).add_(within_prior).fill_diagonal_(0)
    mean = h.sum() / (n * (n - 1))
    deviations = h.sub_(mean).fill_diagonal_(0)
    squares = deviations.flatten().dot(deviations.flatten())
    variance = squares / (n * (n - 1) - 1) if n > 2 else mean.square()
    projected = ((deviations.sum(dim=1) / (n - 1)).var() - variance / (n - 1)).clamp_min(0)
    squared_error = 4 * (n - 2) / (n * (n - 1)) * projected + 2 / (n * (n - 1)) * variance
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
            raise ValueError(f"samples={samples}: accepted are whole numbers of at least 2")
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
        pairs = kernel.evaluate(squared_distances(z, z), self.bandwidth)
        if isinstance(self.prior, StandardNormal):
            to_prior = kernel.normal_mean(z, self.bandwidth)
            within_prior = torch.as_tensor(kernel.normal_mean_mean(z.shape[1], self.bandwidth))
        else:
            to_prior, within_prior = self._sampled_prior_terms(z, kernel)
        value, standard_error = one_sample_mmd_squared(pairs, to_prior, within_prior)
        return {"mmd": value, "mmd_standard_error": standard_error}

    def _sampled_prior_terms(self, z: Tensor, kernel: Gaussian) -> tuple[Tensor, Tensor]:
        devices = [z.device] if z.is_cuda else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(0)
            y = self.prior.sample(self.prior_samples).double()
        to_prior = kernel.evaluate(squared_distances(z, y), self.bandwidth).mean(dim=1)
        first, second = y.chunk(2)
        return to_prior, kernel.evaluate(squared_distances(first, second), self.bandwidth).mean()
