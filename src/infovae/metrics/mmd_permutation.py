"""Test whether q(z) = p(z), by permutations and MMD (Gretton et al. 2012, section 8.1 and its references)."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from infovae.divergences.kernels import Gaussian, squared_distances
from infovae.errors import ArgumentError, require_at_least
from infovae.exact import exact
from infovae.metrics.metric import FirstCodesMetric
from infovae.priors.prior import Prior


def permutation_p_value(
    kernel_matrix: Float[Tensor, "n n"], first: int, permutations: int = 1000, generator: Generator | None = None
) -> Float[Tensor, ""]:
    """Return the p-value of MMD^2 between two samples, under the hypothesis that both come from the same law.

    It is (1 + #{permuted >= observed}) / (1 + permutations), so never 0. Under the hypothesis it is at most u with a
    probability of at most u, whatever the sample sizes (Phipson & Smyth 2010). The statistic is the V-statistic w'Kw
    with weights 1 / first and -1 / (n - first); all permutations are one matrix product. A kernel that holds a nan
    gives nan.

    Args:
        kernel_matrix: k between all points of both samples, the first sample's before the second's.
        first: size of the first sample.
        permutations: how many to draw; the smallest p-value is 1 / (1 + permutations).
        generator: of the permutations, on the matrix's device.

    Raises:
        ValueError: a sample is empty, or there is no permutation.
    """
    n = len(kernel_matrix)
    if not 0 < first < n:
        raise ArgumentError("first", first, f"whole numbers from 1 to {n - 1}", "a sample is empty")
    require_at_least(1, permutations=permutations)
    kernel = exact(kernel_matrix)
    if kernel.isnan().any():
        return kernel.new_tensor(torch.nan)
    keys = torch.rand(permutations, n, generator=generator, dtype=torch.float64, device=kernel.device)
    labels = torch.cat([torch.arange(n, device=kernel.device)[None], keys.argsort(dim=1)])
    weights = exact(torch.where(labels < first, 1 / first, -1 / (n - first)))
    statistics = ((weights @ kernel) * weights).sum(dim=1)
    # Permutations that leave the two samples as they are tie with the observation but for the order of the sum.
    rounding = n * torch.finfo(torch.float64).eps * kernel.abs().max()
    at_least = (statistics[1:] >= statistics[0] - rounding).sum()
    return (1 + at_least) / (1 + permutations)


class MMDPermutation(FirstCodesMetric):
    """The p-value of MMD(q(z), p(z)) = 0 by a permutation test, kernel exp(-||x - y||^2 / (2 d)).

    One code of each example is tested against as many prior draws. The p-value is uniform on (0, 1] where q(z) = p(z).
    With enough codes it is small for any trained model: it says whether the difference shows, ``mmd`` how large it is.

    Args:
        samples: how many codes to use, at most, the first that the split gives.
        permutations: how many to draw; the smallest p-value is 1 / (1 + permutations).
    """

    def __init__(self, prior: Prior, samples: int = 1000, permutations: int = 1000) -> None:
        super().__init__(prior, samples)
        require_at_least(1, samples=samples, permutations=permutations)
        self.permutations = permutations

    def compute(self) -> dict[str, Tensor]:
        z = torch.cat(list(self.z))
        together = torch.cat([z, exact(self.prior.sample(len(z)))])
        kernel = Gaussian().evaluate(squared_distances(together, together), float(self.prior.latent_dim))
        return {"mmd_p_value": permutation_p_value(kernel, len(z), self.permutations)}
