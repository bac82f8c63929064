"""The rate, KL(q(z|x) || p(z))."""

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, kl_divergence


def rate(posterior: Distribution, prior: Distribution, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """KL(q(z|x) || p(z)) in nats: analytic where torch.distributions knows the pair, else from the samples z."""
    try:
        divergence: Tensor = kl_divergence(posterior, prior)
    except NotImplementedError:
        divergence = posterior.log_prob(z) - prior.log_prob(z)
    return divergence
