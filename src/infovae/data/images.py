"""Images and their labels."""

from typing import NamedTuple

from jaxtyping import Int64, UInt8
from torch import Tensor

from infovae.data.stored_images import StoredImages


class LabelledImages(NamedTuple):
    """Images as bytes, their class labels, and which value each known factor of variation has, if any is known.

    The images are in memory or still in their files.
    """

    images: UInt8[Tensor, "n c h w"] | StoredImages
    labels: Int64[Tensor, " n"]
    factors: Int64[Tensor, "n k"] | None = None

    def take(self, positions: Int64[Tensor, " m"]) -> "LabelledImages":
        """The examples at these positions; what is in files stays there."""
        images = self.images[positions] if isinstance(self.images, Tensor) else self.images.take(positions)
        factors = None if self.factors is None else self.factors[positions]
        return LabelledImages(images, self.labels[positions], factors)


class ImageSets(NamedTuple):
    """What a data set brings.

    Most have no validation split of their own: it is cut from their training part later, by seed.
    """

    train: LabelledImages
    test: LabelledImages
    validation: LabelledImages | None = None
