"""Images and their labels."""

from typing import NamedTuple

from jaxtyping import Int64, UInt8
from torch import Tensor

from infovae.data.stored_images import StoredImages


class LabelledImages(NamedTuple):
    """Images as bytes, in memory or still in their files.

    Attributes:
        images: the images.
        labels: their classes.
        factors: for each image, the index of the value of each known factor of variation, if there are any.
    """

    images: UInt8[Tensor, "n c h w"] | StoredImages
    labels: Int64[Tensor, " n"]
    factors: Int64[Tensor, "n k"] | None = None

    def take(self, positions: Int64[Tensor, " m"]) -> "LabelledImages":
        """Return the examples at these positions; images in files stay there."""
        images = self.images[positions] if isinstance(self.images, Tensor) else self.images.take(positions)
        factors = None if self.factors is None else self.factors[positions]
        return LabelledImages(images, self.labels[positions], factors)


class ImageSets(NamedTuple):
    """The splits that a data set comes with; without one for validation, the data module cuts that from ``train``."""

    train: LabelledImages
    test: LabelledImages
    validation: LabelledImages | None = None
