"""Gaussian pixels."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from infovae.errors import ArgumentError
from infovae.likelihoods.likelihood import Likelihood


class Gaussian(Likelihood):
    """N(mean(z), scale^2) for each pixel.

    Args:
        variance: ``fixed`` at ``scale``; ``shared``, one learned number that starts at ``scale``; or ``per_pixel``,
            output by the decoder.
        scale: the standard deviation, for pixels in [0, 1].
        min_scale: the smallest learned standard deviation. Without it the density of a pixel that is always black
            grows without bound.
    """

    def __init__(
        self,
        variance: Literal["fixed", "shared", "per_pixel"] = "fixed",
        scale: float = 0.1,
        min_scale: float = 0.01,
    ) -> None:
        super().__init__()
        if scale <= 0:
            raise ArgumentError("scale", f"{scale:g}", "values above 0")
        if not 0 <= min_scale < scale:
            raise ArgumentError("min_scale", f"{min_scale:g}", f"values from 0 to below scale={scale:g}")
        self.variance = variance
        self.min_scale = 0.0 if variance == "fixed" else min_scale
        self.parameters_per_channel = 2 if variance == "per_pixel" else 1
        # softplus of this number, plus the floor, is `scale`.
        raw_scale = torch.tensor(math.log(math.expm1(scale - self.min_scale)))
        self.raw_scale = nn.Parameter(raw_scale, requires_grad=variance == "shared")

    def forward(self, parameters: Float[Tensor, "n k h w"]) -> Distribution:
        mean, raw_scale = parameters, self.raw_scale.view(())
        if self.variance == "per_pixel":
            mean, offset = parameters.chunk(2, dim=1)
            raw_scale = raw_scale + offset
        scale = self.min_scale + nn.functional.softplus(raw_scale)
        return Independent(Normal(mean, scale.expand_as(mean), validate_args=False), 3, validate_args=False)
