"""Images and their labels."""

from typing import NamedTuple

from jaxtyping import Int64, UInt8
from torch import Tensor

from infovae.data.image_files import ImageFiles


class LabelledImages(NamedTuple):
    """Images as bytes, in memory or still in their files, and their class labels."""

    images: UInt8[Tensor, "n c h w"] | ImageFiles
    labels: Int64[Tensor, " n"]

    def at(self, positions: Int64[Tensor, " m"]) -> "LabelledImages":
        """Some of them; what is in files stays there."""
        images = self.images.at(positions) if isinstance(self.images, ImageFiles) else self.images[positions]
        return LabelledImages(images, self.labels[positions])


class ImageSets(NamedTuple):
    """What a data set brings. Most have no validation split of their own: it is cut from their training part, by seed."""

    train: LabelledImages
    test: LabelledImages
    validation: LabelledImages | None = None
