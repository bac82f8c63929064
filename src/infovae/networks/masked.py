"""Convolutions that respect the order of channels within a pixel: red, then green, then blue."""

from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

Groups = Int64[Tensor, " _"]
"""For each feature map, the image channel that it belongs to."""


def feature_groups(features: int, channels: int) -> Groups:
    """Return groups that share the features among the image's channels as evenly as possible."""
    return torch.arange(features) * channels // features


class MaskedConv2d(nn.Conv2d):
    """A 1 x (k + 1) convolution over k pixels to the left and, masked, the pixel itself (van den Oord et al. 2016).

    Within the pixel itself, a feature sees the channels before its own (mask A), or these and its own (mask B).

    Args:
        inputs: the groups of the incoming features.
        outputs: the groups of the outgoing features.
        left: k.
        mask: A for a layer that sees the image, B for one that sees features.
    """

    mask: Tensor

    def __init__(self, inputs: Groups, outputs: Groups, left: int, mask: Literal["A", "B"]) -> None:
        super().__init__(len(inputs), len(outputs), (1, left + 1))
        before = outputs[:, None] > inputs if mask == "A" else outputs[:, None] >= inputs
        visible = torch.ones_like(self.weight, requires_grad=False)
        visible[..., 0, left] = before.to(visible.dtype)
        self.register_buffer("mask", visible, persistent=False)

    def forward(self, features: Float[Tensor, "n i h v"]) -> Float[Tensor, "n o h w"]:
        return functional.conv2d(features, self.weight * self.mask, self.bias)
