"""The common part of likelihoods with a location and a scale for each entry."""

import math
from abc import abstractmethod
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from infovae.errors import ArgumentError
from infovae.likelihoods.likelihood import Likelihood, independent

Variance = Literal["fixed", "shared", "per_pixel"]
Link = Literal["identity", "sigmoid"]


class LocationScale(Likelihood):
    """A location that the decoder outputs for each entry, and a scale.

    Args:
        variance: ``fixed`` at ``scale``; ``shared``, one learned number that starts at ``scale``; or ``per_pixel``,
            output by the decoder for each entry.
        scale: in the units of the data as the model sees them: of pixels in [0, 1], or of standardised columns.
        min_scale: the smallest learned scale. Without it the density of an entry that never varies, such as a pixel
            that is always black, grows without bound.
        location: the decoder's output itself (``identity``), or its ``sigmoid``, which lies in (0, 1) as pixels do.

    Raises:
        ArgumentError: a scale is out of range.
    """

    def __init__(
        self,
        variance: Variance = "fixed",
        scale: float = 0.1,
        min_scale: float = 0.01,
        location: Link = "identity",
    ) -> None:
        super().__init__()
        if scale <= 0:
            raise ArgumentError("scale", f"{scale:g}", "values above 0")
        if not 0 <= min_scale < scale:
            raise ArgumentError("min_scale", f"{min_scale:g}", f"values from 0 to below scale={scale:g}")
        self.variance = variance
        self.location = location
        self.min_scale = 0.0 if variance == "fixed" else min_scale
        self.parameters_per_channel = 2 if variance == "per_pixel" else 1
        # softplus of this number, plus the floor, is `scale`.
        raw_scale = torch.tensor(math.log(math.expm1(scale - self.min_scale)))
        self.raw_scale = nn.Parameter(raw_scale, requires_grad=variance == "shared")

    @abstractmethod
    def entries(self, location: Float[Tensor, "n c *s"], scale: Float[Tensor, "n c *s"]) -> Distribution:
        """Return the distribution of each entry."""

    def forward(self, parameters: Float[Tensor, "n k *s"]) -> Distribution:
        location, raw_scale = parameters, self.raw_scale.view(())
        if self.variance == "per_pixel":
            location, offset = parameters.chunk(2, dim=1)
            raw_scale = raw_scale + offset
        if self.location == "sigmoid":
            location = torch.sigmoid(location)
        scale = self.min_scale + nn.functional.softplus(raw_scale)
        return independent(self.entries(location, scale.expand_as(location)))
