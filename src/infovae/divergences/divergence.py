"""What a divergence is."""

from abc import ABC, abstractmethod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from infovae.codes import Codes
from infovae.priors.prior import Prior


class Divergence(nn.Module, ABC):
    """D(q(z) || p(z)), estimated from one batch of codes."""

    needs: ClassVar[frozenset[str]] = frozenset({"sample"})
    """What of the prior is used: ``sample``, ``log_prob``, ``score``; whoever uses log p(z) needs it finite."""

    needs_posterior_density: ClassVar[bool] = False
    """Whether log q(z|x) is used, which a deterministic posterior doesn't have."""

    compiles: ClassVar[bool] = False
    """Whether ``compile=true`` compiles it together with the networks: for a fixed sequence of operations on tensors.

    Not for what loops until something is small enough, nor for what learns (:meth:`adapt`); that runs as it is written.
    """

    @property
    def minimum_batch(self) -> int:
        """The smallest batch that the estimate exists for."""
        return 1

    def check_prior(self, prior: Prior) -> None:
        """Refuse, before training, a prior that the estimate can't be had for.

        Raises:
            ValueError: names what the prior lacks and what would be accepted.
        """
        missing = sorted(self.needs - prior.provides)
        if missing:
            raise ValueError(
                f"prior {type(prior).__name__}: divergence {type(self).__name__} needs its {' and '.join(missing)}, "
                "which it doesn't have; accepted: a prior that does or another divergence"
            )
        if "log_prob" in self.needs and not prior.has_full_support:
            raise ValueError(
                f"prior {type(prior).__name__}: divergence {type(self).__name__} needs a density above 0 at every "
                "code, which it doesn't have; accepted: a prior that does or another divergence"
            )

    def check_weight(self, weight: float) -> None:
        """Refuse, before training, a weight alpha + lambda_ - 1 that the divergence can't be given.

        Raises:
            ValueError: names the weight and what would be accepted.
        """

    def adapt(self, codes: Codes, prior: Prior) -> None:
        """Learn from a training batch before the divergence is estimated on it: where a critic takes its steps.

        Called once in each training step, with codes that carry no gradient and, on several devices, are those of
        the global batch. A divergence that learns owns what it needs for that, its optimiser included; its parameters
        don't require gradients outside of this call, so that the encoder's optimiser never sees them.
        """

    @abstractmethod
    def forward(self, codes: Codes, prior: Prior) -> Float[Tensor, ""]:
        """A scalar whose value is the divergence and whose gradient in ``codes`` is what the encoder follows."""
