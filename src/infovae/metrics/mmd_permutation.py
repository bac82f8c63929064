"""Is q(z) = p(z)? A permutation test on MMD (Gretton et al. 2012, section 8.1 and its references)."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor


def permutation_p_value(
    kernel_matrix: Float[Tensor, "n n"], first: int, permutations: int = 1000, generator: Generator | None = None
) -> Float[Tensor, ""]:
    """The p-value of MMD^2 between two samples, under the hypothesis that both come from the same law.

    (1 + #{permuted >= observed}) / (1 + permutations), so never 0, and under the hypothesis at most u with a chance of
    at most u whatever the sample sizes (Phipson & Smyth 2010). The statistic is the V-statistic w'Kw with weights
    1 / first and -1 / (n - first); all permutations are one matrix product.

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
        raise ValueError(f"first={first}: accepted are whole numbers from 1 to {n - 1}, so that neither is empty")
    if permutations < 1:
        raise ValueError(f"permutations={permutations}: accepted are whole numbers of at least 1")
    kernel = kernel_matrix.double()
    keys = torch.rand(permutations, n, generator=generator, dtype=torch.float64, device=kernel.device)
    labels = torch.cat([torch.arange(n, device=kernel.device)[None], keys.argsort(dim=1)])
    weights = torch.where(labels < first, 1 / first, -1 / (n - first)).double()
    statistics = ((weights @ kernel) * weights).sum(dim=1)
    # Permutations that leave the two samples as they are tie with the observation but for the order of the sum.
    rounding = n * torch.finfo(torch.float64).eps * kernel.abs().max()
    at_least = (statistics[1:] >= statistics[0] - rounding).sum()
    return (1 + at_least) / (1 + permutations)
