"""The Gated PixelCNN as a decoder (van den Oord et al. 2016, arXiv 1606.05328).

The reach of the decoder is the experimental variable: z has to carry what the decoder can't see. With the reach
R = depth * (kernel_size - 1) / 2, the parameters of pixel (i, j) depend on exactly these:

    rows i - R to i - 1, columns j - R to j + R
    row i, columns j - R to j - 1
    the pixel's own channels before the one in question
"""

import math
from collections.abc import Callable, Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infovae.errors import ArgumentError
from infovae.networks.autoregressive import AutoregressiveDecoder
from infovae.networks.decoder import parameter_shape
from infovae.networks.gated import GatedLayer
from infovae.networks.masked import MaskedConv2d, feature_groups
from infovae.networks.spatial import check_spatial


class PixelCNNDecoder(AutoregressiveDecoder):
    """Masked, gated convolutions over the image, conditioned on z in every layer.

    Args:
        latent_dim: d.
        shape: (c, h, w).
        parameters_per_channel: the likelihood's number of parameters per pixel and channel.
        depth: the number of layers.
        width: the number of features of each of the two stacks, shared out over the image's channels.
        kernel_size: an odd number of at least 3.
        context_channels: 0 gives z itself to every pixel. A larger number gives each pixel so many channels of a
            linear map of z (the paper's location-dependent condition).
    """

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        parameters_per_channel: int,
        depth: int = 5,
        width: int = 32,
        kernel_size: int = 5,
        context_channels: int = 0,
    ) -> None:
        super().__init__()
        check_spatial(shape, 2, 2)
        channels, height, columns = shape
        if depth < 1:
            raise ArgumentError("depth", depth, "whole numbers of at least 1")
        if width < channels:
            raise ArgumentError("width", width, f"whole numbers of at least {channels}, the image's channels")
        if kernel_size < 3 or kernel_size % 2 == 0:
            raise ArgumentError("kernel_size", kernel_size, "odd numbers of at least 3")
        if context_channels < 0:
            raise ArgumentError("context_channels", context_channels, "whole numbers of at least 0")
        self.shape = (channels, height, columns)
        context_shape = (context_channels, height, columns) if context_channels else (latent_dim, 1, 1)
        self.context = nn.Sequential(
            nn.Linear(latent_dim, math.prod(context_shape)) if context_channels else nn.Identity(),
            nn.Unflatten(1, context_shape),
        )
        image, features = torch.arange(channels), feature_groups(width, channels)
        reach = kernel_size // 2
        self.layers = nn.ModuleList(
            [GatedLayer(image, features, context_shape[0], reach, "A")]
            + [GatedLayer(features, features, context_shape[0], reach, "B") for _ in range(depth - 1)]
        )
        parameters = torch.arange(parameter_shape(shape, parameters_per_channel)[0]) % channels
        self.head = nn.Sequential(
            nn.ReLU(),
            MaskedConv2d(features, features, 0, "B"),
            nn.ReLU(),
            MaskedConv2d(features, parameters, 0, "B"),
        )

    def forward(self, images: Float[Tensor, "n c h w"], z: Float[Tensor, "n d"]) -> Float[Tensor, "n k h w"]:
        vertical = horizontal = 2 * images - 1
        for layer, condition in zip(self._layers(), self._conditions(z), strict=True):
            vertical, from_above = layer.down(layer.pad_rows(vertical), condition)
            horizontal = layer.across(layer.pad_columns(horizontal), from_above)
        return self.head(horizontal)

    @torch.no_grad()
    def generate(self, z: Float[Tensor, "n d"], draw: Callable[[Tensor], Tensor]) -> Float[Tensor, "n c h w"]:
        """Draw images pixel by pixel, each at the cost of one column (Ramachandran et al. 2017, arXiv 1704.06001).

        The vertical stack runs once for each row, on the few rows of each layer that it sees. The horizontal stack runs
        once for each pixel and channel, on the features of the pixels to the left.
        """
        channels, height, width = self.shape
        layers, conditions = self._layers(), self._conditions(z)
        windows = [z.new_zeros(len(z), layer.inputs, layer.rows, width) for layer in layers]
        # The border above the image is grey: 0 after scaling.
        row = torch.full((len(z), channels, 1, width), 0.5, dtype=z.dtype, device=z.device)
        rows = []
        for i in range(height):
            vertical, from_above = 2 * row - 1, []
            for k, layer in enumerate(layers):
                windows[k] = torch.cat([windows[k][:, :, 1:], vertical], dim=2)
                vertical, gates = layer.down(windows[k], conditions[k][:, :, i : i + 1])
                from_above.append(gates)
            row = self._generate_row(from_above, draw)
            rows.append(row)
        return torch.cat(rows, dim=2)

    def _generate_row(self, from_above: list[Tensor], draw: Callable[[Tensor], Tensor]) -> Float[Tensor, "n c 1 w"]:
        """Draw a row, given the vertical stack's input to the horizontal one in each layer."""
        channels, _, width = self.shape
        layers = self._layers()
        row = from_above[0].new_zeros(len(from_above[0]), channels, 1, width)
        features = [layer.pad_columns(row.new_zeros(len(row), layer.inputs, 1, width)) for layer in layers]
        for j in range(width):
            here, window = layers[0].reach + j, slice(j, layers[0].reach + j + 1)
            for channel in range(channels):
                for k, layer in enumerate(layers):
                    new = layer.across(features[k][..., window], from_above[k][..., j : j + 1])
                    if k + 1 < len(layers):
                        features[k + 1][..., here : here + 1] = new
                row[:, channel, :, j : j + 1] = draw(self.head(new))[:, channel]
                features[0][:, channel, :, here] = 2 * row[:, channel, :, j] - 1
        return row

    def _layers(self) -> list[GatedLayer]:
        return cast("list[GatedLayer]", list(self.layers))

    def _conditions(self, z: Float[Tensor, "n d"]) -> list[Tensor]:
        """Return the term that each layer adds to its gates, (n, e, h, w)."""
        context = self.context(z)
        return [layer.condition(context).expand(-1, -1, *self.shape[1:]) for layer in self._layers()]
