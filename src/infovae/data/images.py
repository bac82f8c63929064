"""Images in memory."""

from typing import NamedTuple

from jaxtyping import Int64, UInt8
from torch import Tensor


class LabelledImages(NamedTuple):
    """Images as bytes, their class labels, and which value each known factor of variation has, if any is known."""

    images: UInt8[Tensor, "n c h w"]
    labels: Int64[Tensor, " n"]
    factors: Int64[Tensor, "n k"] | None = None

    def take(self, positions: Int64[Tensor, " m"]) -> "LabelledImages":
        """The examples at these positions."""
        factors = None if self.factors is None else self.factors[positions]
        return LabelledImages(self.images[positions], self.labels[positions], factors)


class ImageSets(NamedTuple):
    """What a data set brings: the validation split is cut from its training part later, by seed."""

    train: LabelledImages
    test: LabelledImages
