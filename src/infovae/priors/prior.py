"""What a prior is."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution


class Prior(nn.Module, ABC):
    """p(z) over codes of ``latent_dim`` dimensions."""

    provides: ClassVar[frozenset[str]] = frozenset({"sample", "log_prob", "score"})
    """Which of its methods mean something: a density that is 0 in places has no score to follow there."""

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        if latent_dim < 1:
            raise ValueError(f"latent_dim={latent_dim}: accepted are whole numbers of at least 1")
        self.latent_dim = latent_dim

    @abstractmethod
    def distribution(self) -> Distribution:
        """p(z) with event shape (d,), on the module's device."""

    def sample(self, n: int) -> Float[Tensor, "n d"]:
        """n independent draws, without gradient."""
        return self.distribution().sample(torch.Size((n,)))

    def log_prob(self, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log p(z) in nats."""
        log_prob: Tensor = self.distribution().log_prob(z)
        return log_prob

    def score(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """The gradient of log p at z, itself without gradient."""
        with torch.enable_grad():
            leaf = z.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.log_prob(leaf).sum(), leaf)
        return gradient
