"""Adversarial divergences: a critic separates codes from prior draws (Goodfellow et al. 2014; Makhzani et al. 2016).

    JS(q, p) = log 2 + 1/2 E_p log D(z) + 1/2 E_q log(1 - D(z))        at the best critic D = sigmoid(logit)

The encoder's loss is halved like the value. At D = 1/2 the saturating and the non-saturating form then have the same
gradient, that of the value, and lambda_ means the same in both.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from infovae.divergences.critic import CriticDivergence, logistic_loss
from infovae.errors import ArgumentError

Form = Literal["non_saturating", "saturating", "wgan_gp"]


def jensen_shannon(logits_q: Float[Tensor, " n"], logits_p: Float[Tensor, " m"]) -> Float[Tensor, ""]:
    """Return a critic's estimate of JS(q, p) in nats.

    On draws that the critic didn't learn from, its expectation is a lower bound of JS, at most log 2. It is below 0 if
    the critic is worse than chance.
    """
    return math.log(2) - logistic_loss(logits_q, logits_p)


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], z_q: Float[Tensor, "n d"], z_p: Float[Tensor, "n d"]
) -> Float[Tensor, ""]:
    """Return E (||grad critic(z)|| - 1)^2 at random points between codes and prior draws.

    Source: Gulrajani et al. 2017, equation 3.
    """
    mix = torch.rand(len(z_q), 1, dtype=z_q.dtype, device=z_q.device)
    between = torch.lerp(z_q, z_p, mix).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    # vector_norm, because the gradient of a square root of squares is nan at 0.
    return (torch.linalg.vector_norm(gradient, dim=1) - 1).square().mean()


class Adversarial(CriticDivergence):
    """The Jensen-Shannon divergence in nats, or the Wasserstein-1 distance, estimated by a critic.

    Args:
        latent_dim: d.
        optimizer: makes the critic's optimiser from its parameters.
        form: the encoder's loss. ``non_saturating`` is -1/2 E_q log D, which pulls hardest at codes far from the prior.
            ``saturating`` is 1/2 E_q log(1 - D), whose gradient is that of the value and vanishes there. Both report
            JS. ``wgan_gp`` is the loss, value and penalty of Gulrajani et al. 2017: E_p critic - E_q critic.
        hidden: widths of the critic's hidden layers; empty for a linear critic.
        critic_steps: the critic's steps on each training batch.
        spectral_norm: whether to divide each weight matrix by its largest singular value.
        gradient_penalty_weight: the weight of the penalty of ``wgan_gp``; the other forms have none.
    """

    def __init__(
        self,
        latent_dim: int,
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
        form: Form = "non_saturating",
        hidden: Sequence[int] = (256, 256),
        critic_steps: int = 1,
        spectral_norm: bool = False,
        gradient_penalty_weight: float = 10.0,
    ) -> None:
        super().__init__(latent_dim, optimizer, hidden, critic_steps, spectral_norm)
        if not 0 <= gradient_penalty_weight < math.inf:
            penalty = f"{gradient_penalty_weight:g}"
            raise ArgumentError("gradient_penalty_weight", penalty, "finite values of at least 0")
        self.form = form
        self.gradient_penalty_weight = gradient_penalty_weight

    def critic_loss(self, z_q: Float[Tensor, "n d"], z_p: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
        logits_q, logits_p = self.logits(torch.cat([z_q, z_p])).chunk(2)
        if self.form == "wgan_gp":
            penalty = gradient_penalty(self.logits, z_q, z_p)
            return logits_q.mean() - logits_p.mean() + self.gradient_penalty_weight * penalty
        return logistic_loss(logits_q, logits_p)

    def estimate(
        self, z_q: Float[Tensor, "n d"], z_p: Float[Tensor, "n d"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        logits_q, logits_p = self.logits(z_q), self.logits(z_p)
        if self.form == "wgan_gp":
            return logits_p.mean() - logits_q.mean(), -logits_q.mean()
        if self.form == "saturating":
            surrogate = -0.5 * functional.softplus(logits_q).mean()
        else:
            surrogate = 0.5 * functional.softplus(-logits_q).mean()
        return jensen_shannon(logits_q, logits_p), surrogate
