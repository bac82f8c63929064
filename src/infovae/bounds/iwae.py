"""The importance-weighted bound (Burda, Grosse, Salakhutdinov 2016), with doubly reparameterised gradients.

    -log 1/k sum_k w_k,    log w_k = log p(x|z_k) - (1 - alpha) (log q(z_k|x) - log p(z_k)),    z_k ~ q(z|x)

At alpha = 0 it lies between the ELBO and log p(x), and nears the latter as k grows (arXiv 1509.00519, theorem 1). At
k = 1 it is the ELBO, with a sampled rate.
"""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.bounds.bound import Bound
from infovae.errors import ArgumentError, require_at_least
from infovae.objective import Number, is_weighed
from infovae.posteriors.posterior import Posterior

Gradient = Literal["standard", "dreg"]


class IWAE(Bound):
    """The importance-weighted bound.

    The standard gradient of the encoder drowns in noise as k grows: its signal-to-noise ratio falls as 1 / sqrt(k).
    ``dreg`` estimates the same gradient with a ratio that grows as sqrt(k) (Tucker et al. 2019, arXiv 1810.04152).
    There log q(z|x) has a gradient through z alone, and that of a code is scaled by 1 - (1 - alpha)(1 - v_k), where
    v_k = w_k / sum w. Equation 6 of the paper is the case alpha = 0, where the factor is v_k.

    Args:
        samples: k.
        gradient: ``standard`` or ``dreg``.

    Raises:
        ArgumentError: k is below 1.
    """

    def __init__(self, samples: int = 5, gradient: Gradient = "standard") -> None:
        super().__init__()
        require_at_least(1, samples=samples)
        self.samples = samples
        self.detaches_posterior = gradient == "dreg"
        self.compiles = gradient == "standard"  # torch.compile fails on the hook
        self._factor: Tensor | None = None

    def check_posterior(self, posterior: Posterior) -> None:
        name = posterior.family
        if not posterior.has_density:
            raise ArgumentError("bound", "IWAE", "elbo, or a posterior with a density", f"{name} has none to weigh by")
        if self.detaches_posterior and (posterior.needs_calibration or any(True for _ in posterior.parameters())):
            why = f"the density of {name} has parameters of its own, or moments of the batch"
            raise ArgumentError(
                "bound.gradient", "dreg", "standard, or posterior=diagonal_gaussian or full_gaussian", why
            )

    def prepare(self, z: Float[Tensor, "k n d"]) -> Float[Tensor, "k n d"]:
        if not self.detaches_posterior or not z.requires_grad:
            return z
        moved = z.clone()  # the divergence's gradient in the same codes isn't scaled
        moved.register_hook(self._scaled)
        return moved

    def forward(
        self, log_likelihood: Float[Tensor, "k n"], log_ratio: Float[Tensor, "k n"], rate_weight: Number
    ) -> Float[Tensor, " n"]:
        log_weight = log_likelihood
        if is_weighed(rate_weight):  # an infinite rate without a weight mustn't reach the sum
            log_weight = log_weight - rate_weight * log_ratio
        if self.detaches_posterior:
            self._factor = dreg_factor(log_weight.detach(), rate_weight)
        return math.log(len(log_weight)) - log_weight.logsumexp(dim=0)

    def _scaled(self, gradient: Float[Tensor, "k n d"]) -> Float[Tensor, "k n d"]:
        assert self._factor is not None
        return gradient * self._factor[:, :, None]


def dreg_factor(log_weight: Float[Tensor, "k n"], rate_weight: Number) -> Float[Tensor, "k n"]:
    """Return 1 - rate_weight (1 - v_k), by which the gradient in each code is scaled."""
    return 1 - rate_weight * (1 - torch.softmax(log_weight, dim=0))
