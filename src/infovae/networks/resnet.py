"""A residual encoder and decoder for images of any size.

The blocks are pre-activation blocks (He et al. 2016, arXiv 1603.05027) with group normalisation (Wu & He 2018, arXiv
1803.08494). It normalises each example by itself, so a code doesn't depend on the rest of the batch.
"""

import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from infovae.errors import ArgumentError
from infovae.networks.decoder import Decoder, parameter_shape

COARSEST = 8
"""Images are halved until neither side is longer than this."""


class ResnetEncoder(nn.Module):
    """Residual blocks at every resolution, from the image's own down to at most 8 x 8.

    Args:
        image_shape: (channels, height, width).
        outputs: k.
        widths: channels at each resolution; further resolutions repeat the last number.
        blocks: the number of blocks at each resolution.
    """

    def __init__(
        self, image_shape: Sequence[int], outputs: int, widths: Sequence[int] = (32, 64, 128), blocks: int = 1
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        stages = _stages(height, width, widths, blocks)
        before = stages[0][0]
        layers: list[nn.Module] = [nn.Conv2d(channels, before, 3, padding=1)]
        for number, (after, _) in enumerate(stages):
            # A side n becomes ceil(n / 2).
            layers += [nn.Conv2d(before, before, 3, stride=2, padding=1)] if number else []
            layers += [ResidualBlock(before if block == 0 else after, after) for block in range(blocks)]
            before = after
        self.layers = nn.Sequential(
            *layers,
            *_activated(before),
            nn.Flatten(),
            nn.Linear(before * math.prod(stages[-1][1]), outputs),
        )

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        parameters: Tensor = self.layers(2 * images - 1)
        return parameters


class ResnetDecoder(Decoder):
    """Mirror the encoder; resolutions grow by repeating pixels.

    Args:
        latent_dim: d.
        image_shape: (c, h, w).
        parameters_per_channel: the likelihood's number of parameters per pixel and channel.
        widths: channels at each resolution, from the image's own down, as in the encoder.
        blocks: the number of blocks at each resolution.
    """

    def __init__(
        self,
        latent_dim: int,
        image_shape: Sequence[int],
        parameters_per_channel: int,
        widths: Sequence[int] = (32, 64, 128),
        blocks: int = 1,
    ) -> None:
        super().__init__()
        channels, height, width = parameter_shape(image_shape, parameters_per_channel)
        stages = _stages(height, width, widths, blocks)[::-1]
        before, coarsest = stages[0]
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, before * math.prod(coarsest)),
            nn.Unflatten(1, (before, *coarsest)),
        ]
        for number, (after, size) in enumerate(stages):
            layers += [nn.Upsample(size), nn.Conv2d(before, before, 3, padding=1)] if number else []
            layers += [ResidualBlock(before if block == 0 else after, after) for block in range(blocks)]
            before = after
        self.layers = nn.Sequential(*layers, *_activated(before), nn.Conv2d(before, channels, 3, padding=1))

    def forward(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n k h w"]:
        parameters: Tensor = self.layers(z)
        return parameters


class ResidualBlock(nn.Module):
    """Add two normalised, activated 3x3 convolutions of x to x, after a 1x1 convolution of x if widths differ."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.shortcut = nn.Identity() if before == after else nn.Conv2d(before, after, 1)
        self.residual = nn.Sequential(
            *_activated(before),
            nn.Conv2d(before, after, 3, padding=1),
            *_activated(after),
            nn.Conv2d(after, after, 3, padding=1),
        )

    def forward(self, x: Float[Tensor, "n before h w"]) -> Float[Tensor, "n after h w"]:
        y: Tensor = self.shortcut(x) + self.residual(x)
        return y


def _activated(channels: int) -> list[nn.Module]:
    # At a resolution of one pixel, normalising a group of one or two channels would erase their values.
    groups = math.gcd(8, channels) if channels >= 32 else 1
    return [nn.GroupNorm(groups, channels), nn.SiLU()]


def _stages(height: int, width: int, widths: Sequence[int], blocks: int) -> list[tuple[int, tuple[int, int]]]:
    """Return channels and size at each resolution, the finest first.

    Raises:
        ValueError: there are no widths, or a width or the number of blocks is below 1.
    """
    if not widths or min(widths) < 1:
        raise ArgumentError("widths", list(widths), "non-empty lists of whole numbers from 1")
    if blocks < 1:
        raise ArgumentError("blocks", blocks, "whole numbers of at least 1")
    sizes = [(height, width)]
    while max(sizes[-1]) > COARSEST:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return [(widths[min(number, len(widths) - 1)], size) for number, size in enumerate(sizes)]
