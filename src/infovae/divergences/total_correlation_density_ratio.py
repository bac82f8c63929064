"""Total correlation of q(z) by a critic that estimates a density ratio (FactorVAE; Kim & Mnih 2018)."""

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.codes import Codes
from infovae.divergences.density_ratio import DensityRatioKL
from infovae.priors.prior import Prior


class TotalCorrelationDensityRatio(DensityRatioKL):
    """TC(z) = KL(q(z) || prod_k q(z_k)) in nats; a critic tells codes from codes with shuffled dimensions.

    It is 0 for any q(z) of independent dimensions, so it needs the rate beside it: FactorVAE (arXiv 1802.05983,
    equation 2) is the point alpha = 0, lambda_ = 1 + gamma. It needs no density of the posterior. Like any critic's,
    the value is no bound.
    """

    needs = frozenset()
    is_strict = False
    minimum_batch = 2
    minimum_dimensions = 2

    def forward(self, codes: Codes, prior: Prior) -> Float[Tensor, ""]:
        self.check_batch(codes)
        return super().forward(codes, prior)

    def reference(self, z_q: Float[Tensor, "n d"], prior: Prior) -> Float[Tensor, "n d"]:
        return shuffled(z_q)


def shuffled(z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Return z with each dimension permuted over the batch by itself: draws of prod_k q(z_k) (their algorithm 1)."""
    order = torch.rand(z.shape, device=z.device).argsort(dim=0)
    return z.gather(0, order)
