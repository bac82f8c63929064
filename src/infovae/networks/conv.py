"""The paper's DCGAN-like encoder and decoder: convolutions of width 4 and stride 2, and one wide layer.

The defaults, channels (64, 128) and 1,024 hidden units, are those of the authors' released code.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from infovae.errors import ArgumentError
from infovae.networks.decoder import Decoder, parameter_shape
from infovae.networks.spatial import CONVOLUTIONS, TRANSPOSED, check_spatial

NEGATIVE_SLOPE = 0.1


def _check(channels: Sequence[int], hidden: int) -> None:
    if not channels or min(channels) < 1:
        raise ArgumentError("channels", list(channels), "non-empty lists of whole numbers from 1")
    if hidden < 1:
        raise ArgumentError("hidden", hidden, "whole numbers of at least 1")


class ConvEncoder(nn.Module):
    """Halve each side of a signal, an image or a volume once for each entry of ``channels``."""

    def __init__(
        self, shape: Sequence[int], outputs: int, channels: Sequence[int] = (64, 128), hidden: int = 1024
    ) -> None:
        super().__init__()
        _check(channels, hidden)
        convolution = CONVOLUTIONS[check_spatial(shape)]
        image_channels, *sides = shape
        shrink = 2 ** len(channels)
        if min(sides) < shrink:
            size = "x".join(map(str, sides))
            raise ArgumentError(
                "channels",
                list(channels),
                f"lists of at most {int(math.log2(min(sides)))} entries",
                f"a size of {size} can't be halved {len(channels)} times",
            )
        layers: list[nn.Module] = []
        for before, after in pairwise([image_channels, *channels]):
            layers += [convolution(before, after, 4, stride=2, padding=1), nn.LeakyReLU(NEGATIVE_SLOPE)]
        features = channels[-1] * math.prod(side // shrink for side in sides)
        self.layers = nn.Sequential(
            *layers,
            nn.Flatten(),
            nn.Linear(features, hidden),
            nn.LeakyReLU(NEGATIVE_SLOPE),
            nn.Linear(hidden, outputs),
        )

    def forward(self, images: Float[Tensor, "n c *s"]) -> Float[Tensor, "n k"]:
        return self.layers(2 * images - 1)


class ConvDecoder(Decoder):
    """Mirror the encoder. A size that is not a multiple of 2^len(channels) is cut from a larger one."""

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        parameters_per_channel: int,
        channels: Sequence[int] = (64, 128),
        hidden: int = 1024,
    ) -> None:
        super().__init__()
        _check(channels, hidden)
        transposed = TRANSPOSED[check_spatial(shape)]
        output_channels, *self.sides = parameter_shape(shape, parameters_per_channel)
        grow = 2 ** len(channels)
        start = (channels[-1], *(math.ceil(side / grow) for side in self.sides))
        layers: list[nn.Module] = []
        for before, after in pairwise([*reversed(channels), output_channels]):
            layers += [nn.LeakyReLU(NEGATIVE_SLOPE), transposed(before, after, 4, stride=2, padding=1)]
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, hidden),
            nn.LeakyReLU(NEGATIVE_SLOPE),
            nn.Linear(hidden, math.prod(start)),
            nn.Unflatten(1, start),
            *layers,
        )

    def forward(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n k *s"]:
        parameters: Tensor = self.layers(z)
        return parameters[:, :, *(slice(side) for side in self.sides)]
