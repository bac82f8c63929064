"""The InfoVAE objective, equation (6) of Zhao, Song, Ermon (arXiv 1706.02262).

    loss = reconstruction + (1 - alpha) * rate + (alpha + lambda_ - 1) * D(q(z) || p(z))

Each model in ``conf/model/`` is a point (alpha, lambda_) of this family.
"""

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, kl_divergence

from infovae.errors import ArgumentError


def rate(posterior: Distribution, prior: Distribution, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """Return KL(q(z|x) || p(z)) in nats: in closed form if torch.distributions has one, else from the samples z."""
    try:
        divergence: Tensor = kl_divergence(posterior, prior)
    except NotImplementedError:
        divergence = posterior.log_prob(z) - prior.log_prob(z)
    return divergence


def infovae_loss(
    reconstruction: Float[Tensor, ""],
    rate: Float[Tensor, ""],
    divergence: Float[Tensor, ""] | None,
    alpha: float,
    lambda_: float,
) -> Float[Tensor, ""]:
    """Return the loss of equation (6), which training minimises, in nats per example.

    A term of weight 0 is left out, not multiplied by 0. An infinite rate (deterministic posterior) then can't reach
    the gradient.

    Args:
        reconstruction: -E log p(x|z), summed over pixels, averaged over the batch.
        rate: E KL(q(z|x) || p(z)), summed over latent dimensions, averaged over the batch.
        divergence: D(q(z) || p(z)), or None if its weight is 0.
        alpha: the reward on the mutual information I_q(x;z).
        lambda_: the weight on the divergence of q(z) from the prior in equation (5).

    Raises:
        ArgumentError: the divergence has a weight, but is None.
    """
    loss = reconstruction
    if alpha != 1:
        loss = loss + (1 - alpha) * rate
    divergence_weight = _divergence_weight(alpha, lambda_)
    if divergence_weight != 0:
        if divergence is None:
            raise ArgumentError("divergence", None, "a scalar tensor", f"its weight is {divergence_weight:g}")
        loss = loss + divergence_weight * divergence
    return loss


def _divergence_weight(alpha: float, lambda_: float) -> float:
    """Return alpha + lambda_ - 1: exactly 0 if only rounding differs from 0, as for (1 - beta, beta)."""
    weight = alpha + lambda_ - 1
    return 0.0 if math.isclose(weight, 0, abs_tol=1e-12 * (1 + abs(alpha) + lambda_)) else weight


@dataclass(frozen=True)
class Objective:
    """A point (alpha, lambda_) of the InfoVAE family; call it to get the loss.

    The beta-VAE (Higgins et al. 2017), reconstruction + beta * rate, is the point (1 - beta, beta).

    Raises:
        ArgumentError: the paper's Proposition 2 excludes the point. ``lambda_ = 0`` is accepted nevertheless: it is the
            unregularised autoencoder, a baseline.
    """

    alpha: float = 0.0
    lambda_: float = 1.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.alpha) or self.alpha > 1:
            raise ArgumentError("alpha", f"{self.alpha:g}", "finite values of at most 1")
        if not math.isfinite(self.lambda_) or self.lambda_ < 0:
            raise ArgumentError("lambda_", f"{self.lambda_:g}", "finite values of at least 0")
        if self.divergence_weight < 0:
            weight = f"alpha + lambda_ - 1 = {self.divergence_weight:g}"
            why = f"with alpha={self.alpha:g} the divergence would be rewarded ({weight})"
            raise ArgumentError("lambda_", f"{self.lambda_:g}", f"lambda_ >= {1 - self.alpha:g}", why)

    @staticmethod
    def beta_vae(beta: float) -> "Objective":
        """Return the point of the beta-VAE.

        Raises:
            ArgumentError: beta is negative or not finite.
        """
        if not math.isfinite(beta) or beta < 0:
            raise ArgumentError("beta", f"{beta:g}", "finite values of at least 0")
        return Objective(alpha=1 - beta, lambda_=beta)

    @property
    def rate_weight(self) -> float:
        """Return 1 - alpha, the weight on E KL(q(z|x) || p(z))."""
        return 1 - self.alpha

    @property
    def divergence_weight(self) -> float:
        """Return alpha + lambda_ - 1, the weight on D(q(z) || p(z))."""
        return _divergence_weight(self.alpha, self.lambda_)

    def __call__(
        self, reconstruction: Float[Tensor, ""], rate: Float[Tensor, ""], divergence: Float[Tensor, ""] | None
    ) -> Float[Tensor, ""]:
        """Return :func:`infovae_loss` at this point."""
        return infovae_loss(reconstruction, rate, divergence, self.alpha, self.lambda_)
