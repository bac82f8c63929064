"""A masked perceptron as a decoder: MADE (Germain et al. 2015, arXiv 1502.03509)."""

import math
from collections.abc import Callable, Sequence
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor
from zuko.nn import MaskedMLP

from infovae.errors import ArgumentError
from infovae.networks.autoregressive import AutoregressiveDecoder
from infovae.networks.decoder import parameter_shape
from infovae.networks.spatial import check_spatial


class MADEDecoder(AutoregressiveDecoder):
    """Predict each pixel from z and all pixels before it, by fully connected layers whose weights are masked.

    On a processor it learns small images far faster than convolutions do. It knows nothing of neighbours.

    Args:
        latent_dim: d.
        shape: (c, h, w).
        parameters_per_channel: the likelihood's number of parameters per pixel and channel.
        hidden: the widths of its layers.
    """

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        parameters_per_channel: int,
        hidden: Sequence[int] = (1024, 1024),
    ) -> None:
        super().__init__()
        check_spatial(shape, 2, 2)
        if not hidden or min(hidden) < 1:
            raise ArgumentError("hidden", list(hidden), "lists of whole numbers of at least 1")
        channels, height, width = shape
        self.shape = (channels, height, width)
        self.output_shape = parameter_shape(shape, parameters_per_channel)
        place = torch.arange(math.prod(shape)).reshape(height, width, channels).permute(2, 0, 1)
        of_outputs = place.repeat(parameters_per_channel, 1, 1).flatten()
        before = of_outputs[:, None] > place.flatten()
        self.layers = MaskedMLP(torch.cat([before, before.new_ones(len(before), latent_dim)], dim=1), hidden)

    def forward(self, images: Float[Tensor, "n c h w"], z: Float[Tensor, "n d"]) -> Float[Tensor, "n k h w"]:
        parameters: Tensor = self.layers(torch.cat([2 * images.flatten(1) - 1, z], dim=1))
        return parameters.unflatten(1, self.output_shape)

    @torch.no_grad()
    def generate(self, z: Float[Tensor, "n d"], draw: Callable[[Tensor], Tensor]) -> Float[Tensor, "n c h w"]:
        """Draw images pixel by pixel, each at the cost of a pass of the whole network."""
        channels, height, width = self.shape
        images = z.new_zeros(len(z), *self.shape)
        for i, j, channel in product(range(height), range(width), range(channels)):
            images[:, channel, i, j] = draw(self(images, z)[:, :, i : i + 1, j : j + 1])[:, channel, 0, 0]
        return images
