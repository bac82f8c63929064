"""q(z|x) = N(mean(x), diag variance(x))."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from infovae.errors import ArgumentError
from infovae.posteriors.posterior import Posterior

Scale = Literal["exp", "sigmoid"]


class DiagonalGaussian(Posterior):
    """A Gaussian with a mean and a standard deviation for each dimension and example.

    Args:
        scale: how the second half of the encoder's output becomes the standard deviation. ``exp`` reads it as a
            log-variance; ``sigmoid`` maps it into (min_scale, 1), as the authors' released code does.
        min_scale: the smallest standard deviation.
    """

    parameters_per_dimension = 2
    has_density = True

    def __init__(self, scale: Scale = "exp", min_scale: float = 0.0) -> None:
        super().__init__()
        if not 0 <= min_scale < 1:
            raise ArgumentError("min_scale", f"{min_scale:g}", "values of at least 0 and below 1")
        self.scale = scale
        self.min_scale = min_scale

    def forward(self, parameters: Float[Tensor, "n k"]) -> Distribution:
        mean, raw = parameters.chunk(2, dim=-1)
        if self.scale == "sigmoid":
            scale = self.min_scale + (1 - self.min_scale) * torch.sigmoid(raw)
        else:
            scale = self.min_scale + torch.exp(0.5 * raw)
        return Independent(Normal(mean, scale, validate_args=False), 1, validate_args=False)
