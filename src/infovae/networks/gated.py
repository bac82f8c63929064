"""A layer of the Gated PixelCNN (van den Oord et al. 2016, arXiv 1606.05328, section 2 and figure 2)."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from infovae.networks.masked import Groups, MaskedConv2d


def gated(gates: Float[Tensor, "n twice h w"]) -> Float[Tensor, "n f h w"]:
    """Return tanh(a) sigmoid(b), where a and b are the two halves of the features (equation 2)."""
    signal, gate = gates.chunk(2, dim=1)
    return signal.tanh() * gate.sigmoid()


class GatedLayer(nn.Module):
    """Two stacks of features: the vertical one sees the rows above; the horizontal one sees it and the pixels left.

    One convolution over all rows above and one over the row to the left leave no blind spot. Both work on windows that
    the caller cuts out, so the same code computes whole images, a row or a pixel.

    Args:
        inputs: groups of the incoming features; for the first layer, groups of the image's channels.
        outputs: groups of the outgoing features of each stack.
        context: the number of feature maps of the code.
        reach: how many pixels a kernel reaches up, left and right; kernels are 2 * reach + 1 wide.
        mask: A for the first layer, which sees the image and has no residual connection; B for others.
    """

    def __init__(self, inputs: Groups, outputs: Groups, context: int, reach: int, mask: Literal["A", "B"]) -> None:
        super().__init__()
        gates, pairs = 2 * len(outputs), torch.cat([outputs, outputs])
        self.inputs = len(inputs)
        self.reach = reach
        self.is_first = mask == "A"
        self.rows = reach if self.is_first else reach + 1
        """How many rows the vertical stack sees. The first layer ends at the row above the pixel. Later layers include
        the pixel's own row, because its features come from the rows above."""
        self.condition = nn.Conv2d(context, 2 * gates, 1, bias=False)
        self.vertical = nn.Conv2d(len(inputs), gates, (self.rows, 2 * reach + 1), padding=(0, reach))
        self.link = nn.Conv2d(gates, gates, 1)
        self.horizontal = MaskedConv2d(inputs, pairs, reach, mask)
        self.output = MaskedConv2d(outputs, outputs, 0, "B")

    def pad_rows(self, features: Float[Tensor, "n i h w"]) -> Float[Tensor, "n i r w"]:
        """Return the window of :meth:`down` for a whole image."""
        return functional.pad(features, (0, 0, self.reach, -1 if self.is_first else 0))

    def pad_columns(self, features: Float[Tensor, "n i h w"]) -> Float[Tensor, "n i h v"]:
        """Return the window of :meth:`across` for whole rows."""
        return functional.pad(features, (self.reach, 0))

    def down(
        self, window: Float[Tensor, "n i r w"], condition: Float[Tensor, "n e #h #w"]
    ) -> tuple[Float[Tensor, "n f h w"], Float[Tensor, "n g h w"]]:
        """Return the vertical features, and the vertical stack's input to the horizontal one, condition included.

        Args:
            window: the incoming vertical features, from ``rows - 1`` rows above the first row of the result.
            condition: ``self.condition`` of the context, at the rows of the result.
        """
        own, horizontal = condition.chunk(2, dim=1)
        gates = self.vertical(window) + own
        return gated(gates), self.link(gates) + horizontal

    def across(
        self, window: Float[Tensor, "n i h v"], from_above: Float[Tensor, "n g h w"]
    ) -> Float[Tensor, "n f h w"]:
        """Return the horizontal features.

        Args:
            window: the incoming horizontal features, from ``reach`` columns left of the first pixel of the result.
            from_above: the second result of :meth:`down`, at the pixels of the result.
        """
        features: Tensor = self.output(gated(self.horizontal(window) + from_above))
        return features if self.is_first else features + window[..., self.reach :]
