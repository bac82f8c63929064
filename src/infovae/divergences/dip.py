"""The distance of Cov[q(z)] from I (DIP-VAE; Kumar, Sattigeri, Balakrishnan 2018)."""

import math
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from infovae.codes import Codes
from infovae.divergences.divergence import Divergence
from infovae.errors import ArgumentError
from infovae.exact import rounded
from infovae.priors.prior import Prior


class DIP(Divergence):
    """sum_{i != j} C_ij^2 + diagonal_weight * sum_i (C_ii - 1)^2, where C is a covariance of the codes.

    It sees second moments alone: it is 0 for any q(z) of covariance I, so it isn't a strict divergence, and needs the
    rate beside it. DIP-VAE (arXiv 1711.00848, equations 6 and 7) is the point alpha = 0, lambda_ = 1 + lambda_od, with
    diagonal_weight = lambda_d / lambda_od.

    The value is that of the batch's covariance, as in the paper, which divides by n. For n codes of N(0, I) and
    ``covariance=aggregate`` it is about d (d - 1 + 2 diagonal_weight) / n, not 0.

    Args:
        covariance: ``mean`` is Cov[E[z|x]] (DIP-VAE-I); ``aggregate`` is Cov[q(z)] = Cov[E[z|x]] + E[Cov[z|x]]
            (DIP-VAE-II).
        diagonal_weight: the weight of the variances beside that of the covariances.

    Raises:
        ArgumentError: the weight is negative or not finite.
    """

    compiles = True
    needs = frozenset()
    is_strict = False
    minimum_batch = 2

    def __init__(self, covariance: Literal["mean", "aggregate"] = "aggregate", diagonal_weight: float = 1.0) -> None:
        super().__init__()
        if not 0 <= diagonal_weight < math.inf:
            raise ArgumentError("diagonal_weight", f"{diagonal_weight:g}", "finite values of at least 0")
        self.covariance = covariance
        self.diagonal_weight = diagonal_weight

    def forward(self, codes: Codes, prior: Prior) -> Float[Tensor, ""]:
        self.check_batch(codes)
        centred = codes.mean - codes.mean.mean(dim=0)
        covariance = centred.T @ centred / len(centred)
        if self.covariance == "aggregate":
            covariance = covariance + rounded(codes.covariance(), covariance)
        variances = covariance.diagonal()
        between = covariance.square().sum() - variances.square().sum()
        return between + self.diagonal_weight * (variances - 1).square().sum()
