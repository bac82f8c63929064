"""The interface of a divergence."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infovae.codes import Codes
from infovae.errors import ArgumentError
from infovae.priors.prior import Prior
from infovae.streams import isolated_stream

NOISE_DRAWS = 200
"""Batches behind a noise level: the error of a standard deviation is then 5 %, 1 / sqrt(2 * 200)."""


class Divergence(nn.Module, ABC):
    """D(q(z) || p(z)), estimated from one batch of codes."""

    needs: ClassVar[frozenset[str]] = frozenset({"sample"})
    """The methods of the prior that it uses: ``sample``, ``log_prob``, ``score``. ``log_prob`` must be finite."""

    needs_posterior_density: ClassVar[bool] = False
    """Whether it uses log q(z|x), which a deterministic posterior doesn't have."""

    needs_gaussian_posterior: ClassVar[bool] = False
    """Whether it uses the density of each dimension of q(z|x), which is known for Gaussians alone."""

    needs_classes: ClassVar[bool] = False
    """Whether it uses the class of each example, which a model with condition=labels knows."""

    is_strict: ClassVar[bool] = True
    """Whether it is 0 for q(z) = p(z) alone. If not, it holds q(z) at the prior only with the rate beside it."""

    compiles: ClassVar[bool] = False
    """Whether ``compile=true`` compiles it together with the networks.

    Set it only for a fixed sequence of operations on tensors: no loop until convergence, and no :meth:`adapt`.
    """

    minimum_dimensions: ClassVar[int] = 1
    """The smallest latent dimension d that it says anything about."""

    @property
    def minimum_batch(self) -> int:
        """Return the smallest batch that has an estimate; a call with a smaller one raises ValueError."""
        return 1

    def check_batch(self, codes: Codes) -> None:
        """Refuse a batch below :attr:`minimum_batch`; a divergence whose estimate would be 0 or noise calls it.

        Raises:
            ArgumentError: the batch is too small.
        """
        if len(codes.z) < self.minimum_batch:
            why = f"{type(self).__name__} compares different codes"
            raise ArgumentError("n", len(codes.z), f"at least {self.minimum_batch} points", why)

    def check_prior(self, prior: Prior) -> None:
        """Refuse a prior that this divergence can't be estimated for, before training.

        Raises:
            ArgumentError: the prior lacks a method, or a density above 0 everywhere.
        """
        missing = sorted(self.needs - prior.provides)
        if missing:
            why = f"it has no {' and '.join(missing)}, which divergence {type(self).__name__} needs"
            raise ArgumentError("prior", type(prior).__name__, "a prior that has, or another divergence", why)
        if "log_prob" in self.needs and not prior.has_full_support:
            why = f"its density is 0 in places, and divergence {type(self).__name__} needs its logarithm everywhere"
            accepted = "a prior with full support, or another divergence"
            raise ArgumentError("prior", type(prior).__name__, accepted, why)

    def check_weight(self, weight: float) -> None:
        """Refuse a weight alpha + lambda_ - 1 that this divergence can't have, before training.

        Raises:
            ArgumentError: the weight is refused.
        """

    def adapt(self, codes: Codes, prior: Prior) -> None:
        """Learn from a training batch before the divergence is estimated on it; a critic takes its steps here.

        Each training step calls this once, with detached codes of the global batch. A divergence that learns owns its
        optimiser. Its parameters require gradients only during this call, so the encoder's optimiser never sees them.
        """

    @abstractmethod
    def forward(self, codes: Codes, prior: Prior) -> Float[Tensor, ""]:
        """Return a scalar: its value is the divergence, and the encoder follows its gradient in ``codes``."""


@torch.no_grad()
def noise_level(divergence: Divergence, prior: Prior, n: int, device: torch.device) -> Float[Tensor, ""]:
    """Return the mean plus the standard deviation of D between batches of n codes of the prior and the prior."""
    values = []
    with isolated_stream(device), torch.autocast(device.type, enabled=False):
        for _ in range(NOISE_DRAWS):
            z = prior.sample(n)
            values.append(divergence(Codes(z, z, torch.zeros_like(z), n), prior))
    deviation, mean = torch.std_mean(torch.stack(values))
    return mean + deviation
