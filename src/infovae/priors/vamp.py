"""p(z) = (1/K) sum_k q(z|u_k): a variational mixture of posteriors (Tomczak & Welling 2018, VAE with a VampPrior)."""

from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.distributions import Distribution

from infovae.errors import ArgumentError
from infovae.priors.mixture import MixturePrior
from infovae.priors.prior import Encode, Images

DARKEST, BRIGHTEST = 0.02, 0.98


class Vamp(MixturePrior):
    """A mixture of the encoder's own posteriors at K learned pseudo-inputs.

    The pseudo-inputs learn through log p(z), in the rate and in divergences that use it. Their pixels are sigmoids of
    the parameters, and so stay in (0, 1). The paper clips instead: a pixel that has left the range then stops learning.

    Args:
        latent_dim: d.
        components: K.
        start: how pseudo-inputs start. ``data``: as K random training images, repeated if there are fewer. ``noise``:
            as the mean training image, with standard normal noise on each pixel's logit.
    """

    needs_posterior_density = True

    logits: nn.Parameter  # (K, c, h, w), set by attach()

    def __init__(self, latent_dim: int, components: int = 500, start: Literal["data", "noise"] = "data") -> None:
        super().__init__(latent_dim)
        if components < 1:
            raise ArgumentError("components", components, "whole numbers of at least 1")
        self.count = components
        self.start = start
        self._encode: Encode | None = None

    def attach(self, encode: Encode, images: Images) -> None:
        if self.start == "data":
            order = torch.randperm(len(images))
            chosen = images[order[torch.arange(self.count) % len(images)]].float() / 255
            logits = torch.logit(chosen.clamp(DARKEST, BRIGHTEST))
        else:
            mean = _sum(images) / (255 * len(images))
            logits = torch.logit(mean.clamp(DARKEST, BRIGHTEST)) + torch.randn(self.count, *mean.shape)
        self.logits = nn.Parameter(logits)
        self._encode = encode

    def pseudo_inputs(self) -> Float[Tensor, "k c h w"]:
        """Return the u_k, with pixels in (0, 1)."""
        return torch.sigmoid(self.logits)

    def components(self) -> Distribution:
        assert self._encode is not None, "call attach() first"
        return self._encode(self.pseudo_inputs())


def _sum(images: Images) -> Int64[Tensor, "c h w"]:
    # 1,000 at a time: the images may lie in files.
    parts = torch.arange(len(images)).split(1000)
    return torch.stack([images[part].sum(dim=0, dtype=torch.int64) for part in parts]).sum(dim=0)
