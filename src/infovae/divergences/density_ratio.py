"""KL(q(z) || p(z)) by a critic that estimates the density ratio (Mescheder et al. 2017, equations 3.3 to 3.7)."""

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.divergences.critic import CriticDivergence, logistic_loss


class DensityRatioKL(CriticDivergence):
    """KL(q(z) || p(z)) = E_q log q(z)/p(z) in nats; a critic learns the log ratio from codes and prior draws.

    It needs no density of the prior or of the posterior. The encoder's gradient goes through the codes alone: at the
    best critic, the gradient through the ratio is 0 in expectation. The value is no bound: a poor critic's estimate can
    be too large or too small.
    """

    def critic_loss(self, z_q: Float[Tensor, "n d"], z_p: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
        return logistic_loss(*self.logits(torch.cat([z_q, z_p])).chunk(2))

    def estimate(
        self, z_q: Float[Tensor, "n d"], z_p: Float[Tensor, "n d"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        log_ratio = -self.logits(z_q).mean()
        return log_ratio, log_ratio
