"""The base class of divergences that learn a critic: its network, steps, optimiser and checkpoint state.

:meth:`CriticDivergence.adapt` trains the critic on detached codes by an optimiser of its own. Lightning sees only the
autoencoder's optimiser, so ``global_step``, gradient clipping and accumulation keep their usual meaning.
"""

import copy
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from infovae.codes import Codes
from infovae.divergences.divergence import Divergence
from infovae.errors import ArgumentError
from infovae.networks.mlp import perceptron
from infovae.priors.prior import Prior


def logistic_loss(logits_q: Float[Tensor, " n"], logits_p: Float[Tensor, " m"]) -> Float[Tensor, ""]:
    """Return -1/2 E_p log D - 1/2 E_q log(1 - D) in nats, where D = sigmoid(logit) is the probability of p.

    At the minimum the logit is log p(z)/q(z), and the loss is log 2 - JS(q, p) (Goodfellow et al. 2014, theorem 1).
    """
    return 0.5 * (functional.softplus(-logits_p).mean() + functional.softplus(logits_q).mean())


class CriticDivergence(Divergence):
    """A divergence estimated by a network that learns to tell codes from prior draws.

    A subclass defines the critic's loss and the encoder's; see ``adversarial.py``.

    The critic's parameters require gradients only while it learns. So neither the encoder's optimiser nor data-parallel
    training handles them, and the encoder's backward pass doesn't compute their gradients. All ranks of a data-parallel
    run see the same codes and prior draws, and take the same steps without communication.

    Before the critic has learned, the value is nan. In a run that gives the divergence weight 0 it stays nan.

    Args:
        latent_dim: d.
        optimizer: makes the critic's optimiser from its parameters.
        hidden: widths of the critic's hidden layers; empty for a linear critic.
        critic_steps: the critic's steps on each training batch, each against new prior draws. If the trainer
            accumulates the gradients of k batches, the critic takes k * critic_steps for one step of the encoder.
        spectral_norm: whether to divide each weight matrix by its largest singular value (Miyato et al. 2018).
    """

    def __init__(
        self,
        latent_dim: int,
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
        hidden: Sequence[int] = (256, 256),
        critic_steps: int = 1,
        spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        if critic_steps < 1:
            raise ArgumentError("critic_steps", critic_steps, "whole numbers of at least 1")
        # Start from the global seed without moving its stream: at weight 0 a run doesn't depend on the divergence.
        with torch.random.fork_rng(devices=[]):
            self.critic = perceptron([latent_dim, *hidden, 1])
            if spectral_norm:
                for layer in self.critic:
                    if isinstance(layer, nn.Linear):
                        parametrizations.spectral_norm(layer)
        self.critic_steps = critic_steps
        self.has_learned = False
        try:
            self.optimizer = optimizer(self.critic.parameters())
        except ValueError as error:
            raise ArgumentError("optimizer", ..., "", str(error)) from error
        self.critic.requires_grad_(False)

    @abstractmethod
    def critic_loss(self, z_q: Float[Tensor, "n d"], z_p: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
        """Return the critic's loss, from codes and as many draws of :meth:`reference`."""

    @abstractmethod
    def estimate(
        self, z_q: Float[Tensor, "n d"], z_p: Float[Tensor, "n d"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Return the divergence, and the surrogate whose gradient in ``z_q`` the encoder follows."""

    def reference(self, z_q: Float[Tensor, "n d"], prior: Prior) -> Float[Tensor, "n d"]:
        """Return draws of the distribution that the critic tells codes from, as many as there are codes."""
        return prior.sample(len(z_q))

    def logits(self, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Return the critic's output before any sigmoid."""
        logits: Tensor = self.critic(z)
        return logits.squeeze(1)

    def adapt(self, codes: Codes, prior: Prior) -> None:
        z_q = codes.z.detach()
        self.critic.requires_grad_(True)
        with torch.enable_grad(), torch.autocast(z_q.device.type, enabled=False):
            for _ in range(self.critic_steps):
                self.optimizer.zero_grad()
                self.critic_loss(z_q, self.reference(z_q, prior)).backward()
                self.optimizer.step()
        self.optimizer.zero_grad()
        self.critic.requires_grad_(False)
        self.has_learned = True

    def forward(self, codes: Codes, prior: Prior) -> Float[Tensor, ""]:
        value, surrogate = self.estimate(codes.z, self.reference(codes.z.detach(), prior))
        if not self.has_learned:
            value = torch.full_like(value, torch.nan)
        return value.detach() + surrogate - surrogate.detach()

    def get_extra_state(self) -> dict[str, Any]:
        """Return the state that ``state_dict`` holds beside the weights: tensors and plain values only."""
        return {"optimizer": self.optimizer.state_dict(), "has_learned": self.has_learned}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore the optimiser's state.

        Raises:
            RuntimeError: the state belongs to another critic.
        """
        try:
            # A copy, because the optimiser writes into the tensors that it loads.
            self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
        except ValueError as error:
            raise RuntimeError(f"the critic's optimiser: {error}") from error
        self.has_learned = state["has_learned"]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "CriticDivergence":
        """Move the optimiser's state with the parameters to another device or type."""
        super()._apply(fn, recurse)
        self.optimizer.load_state_dict(self.optimizer.state_dict())
        return self
