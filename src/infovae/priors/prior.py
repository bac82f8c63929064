"""The interface of a prior p(z)."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.distributions import Distribution

from infovae.errors import ArgumentError

Encode = Callable[[Tensor], Distribution]
"""A function from examples, (n, c, *s), to q(z|x)."""


@runtime_checkable
class TrainingInputs(Protocol):
    """The training examples as the model sees them, read by indexing."""

    @property
    def range(self) -> str:
        """Where their numbers lie: ``unit`` for [0, 1], ``real``, ``positive``, or ``tokens``."""

    def __len__(self) -> int: ...

    def __getitem__(self, positions: Int64[Tensor, " m"]) -> Float[Tensor, "m c *s"]: ...

    def mean(self) -> Float[Tensor, "c *s"]:
        """Return the mean example."""


class Prior(nn.Module, ABC):
    """p(z) over codes of ``latent_dim`` dimensions."""

    provides: ClassVar[frozenset[str]] = frozenset({"sample", "log_prob", "score"})
    """The methods that this prior supports."""

    has_full_support: ClassVar[bool] = True
    """Whether log p(z) is finite at every z. If not, neither the rate nor a divergence can use it."""

    needs_posterior_density: ClassVar[bool] = False
    """Whether p(z) is built from log q(z|x), which a deterministic posterior doesn't have."""

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        if latent_dim < 1:
            raise ArgumentError("latent_dim", latent_dim, "whole numbers of at least 1")
        self.latent_dim = latent_dim

    def attach(self, encode: Encode, inputs: TrainingInputs) -> None:
        """Give the encoder to a prior that is built from it; the model calls this once, before its optimiser exists.

        Args:
            encode: returns q(z|x), with gradient.
            inputs: the training split.
        """

    @abstractmethod
    def distribution(self) -> Distribution:
        """Return p(z) with event shape (d,), on the module's device."""

    def sample(self, n: int) -> Float[Tensor, "n d"]:
        """Return n independent draws, without gradient."""
        return self.distribution().sample(torch.Size((n,)))

    def log_prob(self, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Return log p(z) in nats."""
        return self.distribution().log_prob(z)

    def score(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Return the gradient of log p at z, detached."""
        # Lightning evaluates in inference mode, which would turn autograd off here too.
        with torch.inference_mode(False), torch.enable_grad():
            leaf = z.detach().clone().requires_grad_()
            (gradient,) = torch.autograd.grad(self.log_prob(leaf).sum(), leaf)
        return gradient
