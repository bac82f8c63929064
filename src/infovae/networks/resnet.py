"""A residual encoder and decoder for signals, images and volumes of any size.

The blocks are pre-activation blocks (He et al. 2016, arXiv 1603.05027) with group normalisation (Wu & He 2018, arXiv
1803.08494). It normalises each example by itself, so a code doesn't depend on the rest of the batch.
"""

import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from infovae.errors import ArgumentError
from infovae.networks.decoder import Decoder, parameter_shape
from infovae.networks.spatial import CONVOLUTIONS, check_spatial

COARSEST = 8
"""Sides are halved until none is longer than this."""


class ResnetEncoder(nn.Module):
    """Residual blocks at every resolution, from the example's own down to sides of at most 8.

    Args:
        shape: (c, *s), with 1 to 3 spatial dimensions.
        outputs: k.
        widths: channels at each resolution; further resolutions repeat the last number.
        blocks: the number of blocks at each resolution.
    """

    def __init__(
        self, shape: Sequence[int], outputs: int, widths: Sequence[int] = (32, 64, 128), blocks: int = 1
    ) -> None:
        super().__init__()
        dimensions = check_spatial(shape)
        convolution = CONVOLUTIONS[dimensions]
        channels, *sides = shape
        stages = _stages(sides, widths, blocks)
        before = stages[0][0]
        layers: list[nn.Module] = [convolution(channels, before, 3, padding=1)]
        for number, (after, _) in enumerate(stages):
            # A side n becomes ceil(n / 2).
            layers += [convolution(before, before, 3, stride=2, padding=1)] if number else []
            layers += [ResidualBlock(before if block == 0 else after, after, dimensions) for block in range(blocks)]
            before = after
        self.layers = nn.Sequential(
            *layers,
            *_activated(before),
            nn.Flatten(),
            nn.Linear(before * math.prod(stages[-1][1]), outputs),
        )

    def forward(self, images: Float[Tensor, "n c *s"]) -> Float[Tensor, "n k"]:
        return self.layers(2 * images - 1)


class ResnetDecoder(Decoder):
    """Mirror the encoder; resolutions grow by repeating entries.

    Args:
        latent_dim: d.
        shape: (c, *s), with 1 to 3 spatial dimensions.
        parameters_per_channel: the likelihood's number of parameters per entry.
        widths: channels at each resolution, from the example's own down, as in the encoder.
        blocks: the number of blocks at each resolution.
    """

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        parameters_per_channel: int,
        widths: Sequence[int] = (32, 64, 128),
        blocks: int = 1,
    ) -> None:
        super().__init__()
        dimensions = check_spatial(shape)
        convolution = CONVOLUTIONS[dimensions]
        channels, *sides = parameter_shape(shape, parameters_per_channel)
        stages = _stages(sides, widths, blocks)[::-1]
        before, coarsest = stages[0]
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, before * math.prod(coarsest)),
            nn.Unflatten(1, (before, *coarsest)),
        ]
        for number, (after, size) in enumerate(stages):
            layers += [nn.Upsample(size), convolution(before, before, 3, padding=1)] if number else []
            layers += [ResidualBlock(before if block == 0 else after, after, dimensions) for block in range(blocks)]
            before = after
        self.layers = nn.Sequential(*layers, *_activated(before), convolution(before, channels, 3, padding=1))

    def forward(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n k *s"]:
        return self.layers(z)


class ResidualBlock(nn.Module):
    """Add two normalised, activated convolutions of width 3 to x, after one of width 1 if widths differ."""

    def __init__(self, before: int, after: int, dimensions: int) -> None:
        super().__init__()
        convolution = CONVOLUTIONS[dimensions]
        self.shortcut = nn.Identity() if before == after else convolution(before, after, 1)
        self.residual = nn.Sequential(
            *_activated(before),
            convolution(before, after, 3, padding=1),
            *_activated(after),
            convolution(after, after, 3, padding=1),
        )

    def forward(self, x: Float[Tensor, "n before *s"]) -> Float[Tensor, "n after *s"]:
        return self.shortcut(x) + self.residual(x)


def _activated(channels: int) -> list[nn.Module]:
    # At a resolution of one pixel, normalising a group of one or two channels would erase their values.
    groups = math.gcd(8, channels) if channels >= 32 else 1
    return [nn.GroupNorm(groups, channels), nn.SiLU()]


def _stages(sides: Sequence[int], widths: Sequence[int], blocks: int) -> list[tuple[int, tuple[int, ...]]]:
    """Return channels and size at each resolution, the finest first.

    Raises:
        ValueError: there are no widths, or a width or the number of blocks is below 1.
    """
    if not widths or min(widths) < 1:
        raise ArgumentError("widths", list(widths), "non-empty lists of whole numbers from 1")
    if blocks < 1:
        raise ArgumentError("blocks", blocks, "whole numbers of at least 1")
    sizes = [tuple(sides)]
    while max(sizes[-1]) > COARSEST:
        sizes.append(tuple(-(-side // 2) for side in sizes[-1]))
    return [(widths[min(number, len(widths) - 1)], size) for number, size in enumerate(sizes)]
