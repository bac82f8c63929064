"""The paper's DCGAN-like encoder and decoder: 4x4 convolutions of stride 2 and one wide layer.

The defaults, channels (64, 128) and 1,024 hidden units, are those of the authors' released code.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from infovae.errors import ArgumentError
from infovae.networks.decoder import Decoder, parameter_shape

NEGATIVE_SLOPE = 0.1


def _check(channels: Sequence[int], hidden: int) -> None:
    if not channels or min(channels) < 1:
        raise ArgumentError("channels", list(channels), "non-empty lists of whole numbers from 1")
    if hidden < 1:
        raise ArgumentError("hidden", hidden, "whole numbers of at least 1")


class ConvEncoder(nn.Module):
    """Halve height and width once for each entry of ``channels``."""

    def __init__(
        self, image_shape: Sequence[int], outputs: int, channels: Sequence[int] = (64, 128), hidden: int = 1024
    ) -> None:
        super().__init__()
        _check(channels, hidden)
        image_channels, height, width = image_shape
        shrink = 2 ** len(channels)
        if min(height, width) < shrink:
            raise ArgumentError(
                "channels",
                list(channels),
                f"lists of at most {int(math.log2(min(height, width)))} entries",
                f"a {height}x{width} image can't be halved {len(channels)} times",
            )
        layers: list[nn.Module] = []
        for before, after in pairwise([image_channels, *channels]):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(NEGATIVE_SLOPE)]
        features = channels[-1] * (height // shrink) * (width // shrink)
        self.layers = nn.Sequential(
            *layers,
            nn.Flatten(),
            nn.Linear(features, hidden),
            nn.LeakyReLU(NEGATIVE_SLOPE),
            nn.Linear(hidden, outputs),
        )

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        parameters: Tensor = self.layers(2 * images - 1)
        return parameters


class ConvDecoder(Decoder):
    """Mirror the encoder. An image size that is not a multiple of 2^len(channels) is cut from a larger one."""

    def __init__(
        self,
        latent_dim: int,
        image_shape: Sequence[int],
        parameters_per_channel: int,
        channels: Sequence[int] = (64, 128),
        hidden: int = 1024,
    ) -> None:
        super().__init__()
        _check(channels, hidden)
        output_channels, self.height, self.width = parameter_shape(image_shape, parameters_per_channel)
        grow = 2 ** len(channels)
        start = (channels[-1], math.ceil(self.height / grow), math.ceil(self.width / grow))
        layers: list[nn.Module] = []
        for before, after in pairwise([*reversed(channels), output_channels]):
            layers += [nn.LeakyReLU(NEGATIVE_SLOPE), nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)]
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, hidden),
            nn.LeakyReLU(NEGATIVE_SLOPE),
            nn.Linear(hidden, math.prod(start)),
            nn.Unflatten(1, start),
            *layers,
        )

    def forward(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n k h w"]:
        parameters: Tensor = self.layers(z)
        return parameters[:, :, : self.height, : self.width]
