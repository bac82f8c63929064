"""A small transformer over positions, for sequences of numbers or of tokens (Vaswani et al. 2017, arXiv 1706.03762)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infovae.errors import ArgumentError, require_at_least
from infovae.networks.decoder import Decoder, parameter_shape
from infovae.networks.spatial import check_spatial


class TransformerEncoder(nn.Module):
    """Attend over all positions, and read the code off their average.

    Args:
        shape: (c, length).
        outputs: k.
        width: features of each position.
        depth: the number of layers.
        heads: of each layer; they divide the width.
        vocabulary: the number of different tokens, which the first channel holds; further channels are numbers, such
            as those of a condition. None: all channels are numbers.

    Raises:
        ArgumentError: the shape isn't that of sequences, or a setting is out of range.
    """

    def __init__(
        self,
        shape: Sequence[int],
        outputs: int,
        width: int = 64,
        depth: int = 2,
        heads: int = 4,
        vocabulary: int | None = None,
    ) -> None:
        super().__init__()
        channels, length = _check(shape, width, depth, heads)
        self.is_tokens = vocabulary is not None
        self.embed = nn.Linear(channels, width) if vocabulary is None else nn.Embedding(vocabulary, width)
        self.embed_rest = nn.Linear(channels - 1, width, bias=False) if self.is_tokens and channels > 1 else None
        self.positions = nn.Parameter(0.02 * torch.randn(length, width))
        self.layers = _layers(width, depth, heads)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, outputs))

    def forward(self, x: Float[Tensor, "n c l"]) -> Float[Tensor, "n k"]:
        entries = x[:, 0].round().long() if self.is_tokens else x.transpose(1, 2)
        seen = self.embed(entries) + self.positions
        if self.embed_rest is not None:
            seen = seen + self.embed_rest(x[:, 1:].transpose(1, 2))
        return self.head(self.layers(seen).mean(dim=1))


class TransformerDecoder(Decoder):
    """Give every position a linear map of z, and attend over all positions.

    Args:
        latent_dim: d.
        shape: (c, length).
        parameters_per_channel: the likelihood's number of parameters per entry.
        width: features of each position.
        depth: the number of layers.
        heads: of each layer; they divide the width.

    Raises:
        ArgumentError: the shape isn't that of sequences, or a setting is out of range.
    """

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        parameters_per_channel: int,
        width: int = 64,
        depth: int = 2,
        heads: int = 4,
    ) -> None:
        super().__init__()
        _, length = _check(shape, width, depth, heads)
        channels, *_ = parameter_shape(shape, parameters_per_channel)
        self.embed = nn.Linear(latent_dim, width)
        self.positions = nn.Parameter(torch.randn(length, width))
        self.layers = _layers(width, depth, heads)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, channels))

    def forward(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n k l"]:
        parameters: Tensor = self.head(self.layers(self.embed(z)[:, None] + self.positions))
        return parameters.transpose(1, 2)


def _check(shape: Sequence[int], width: int, depth: int, heads: int) -> tuple[int, int]:
    require_at_least(1, width=width, depth=depth, heads=heads)
    if width % heads:
        raise ArgumentError("heads", heads, f"divisors of width={width}")
    check_spatial(shape, 1, 1)
    channels, length = shape
    return channels, length


def _layers(width: int, depth: int, heads: int) -> nn.Module:
    """Return pre-normalised layers without dropout: the posterior's noise is the model's only one."""
    layer = nn.TransformerEncoderLayer(
        width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    return nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
