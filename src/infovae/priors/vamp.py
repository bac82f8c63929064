"""p(z) = (1/K) sum_k q(z|u_k): a variational mixture of posteriors (Tomczak & Welling 2018, VAE with a VampPrior)."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from infovae.errors import ArgumentError
from infovae.priors.mixture import MixturePrior
from infovae.priors.prior import Encode, TrainingInputs

DARKEST, BRIGHTEST = 0.02, 0.98


class Vamp(MixturePrior):
    """A mixture of the encoder's own posteriors at K learned pseudo-inputs.

    The pseudo-inputs learn through log p(z), in the rate and in divergences that use it. Pixels are sigmoids of
    the parameters, and so stay in (0, 1). The paper clips instead: a pixel that has left the range then stops learning.
    Counts are exponentials, and other numbers the parameters themselves.

    Args:
        latent_dim: d.
        components: K.
        start: how pseudo-inputs start. ``data``: as K random training examples, repeated if there are fewer. ``noise``:
            as the mean training example, with standard normal noise on each parameter.
    """

    needs_posterior_density = True

    logits: nn.Parameter  # (K, c, *s), set by attach()

    def __init__(self, latent_dim: int, components: int = 500, start: Literal["data", "noise"] = "data") -> None:
        super().__init__(latent_dim)
        if components < 1:
            raise ArgumentError("components", components, "whole numbers of at least 1")
        self.count = components
        self.start = start
        self._encode: Encode | None = None
        self._range = "unit"

    def attach(self, encode: Encode, inputs: TrainingInputs) -> None:
        if inputs.range == "tokens":
            raise ArgumentError("prior", "Vamp", "another prior", "a token has no number that could be learned")
        self._range = inputs.range
        if self.start == "data":
            order = torch.randperm(len(inputs))
            chosen = inputs[order[torch.arange(self.count) % len(inputs)]].nan_to_num(0.0)
            learned = self._unlinked(chosen)
        else:
            mean = inputs.mean().nan_to_num(0.0)
            learned = self._unlinked(mean) + torch.randn(self.count, *mean.shape)
        self.logits = nn.Parameter(learned)
        self._encode = encode

    def pseudo_inputs(self) -> Float[Tensor, "k c *s"]:
        """Return the u_k, where the data lie: in (0, 1), above 0, or anywhere."""
        links = {"unit": torch.sigmoid, "positive": torch.exp}
        return links[self._range](self.logits) if self._range in links else self.logits

    def _unlinked(self, u: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
        """Return the parameters that give pseudo-inputs of these values, or near them where those are at an end."""
        if self._range == "unit":
            return torch.logit(u.clamp(DARKEST, BRIGHTEST))
        return torch.log(u.clamp_min(DARKEST)) if self._range == "positive" else u

    def components(self) -> Distribution:
        assert self._encode is not None, "call attach() first"
        return self._encode(self.pseudo_inputs())
