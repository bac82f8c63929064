"""Images and their labels."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int64, UInt8
from torch import Tensor

from infovae.data.stored_images import StoredImages


class LabelledImages(NamedTuple):
    """Images as bytes, in memory or still in their files.

    Attributes:
        images: the images.
        labels: their classes.
        factors: for each image, the index of the value of each known factor of variation, if there are any.
        names: for each image, the path of its file below the set's folder, or its index in the set as that comes.
        classes: the name of each class; None: its number.
    """

    images: UInt8[Tensor, "n c h w"] | StoredImages
    labels: Int64[Tensor, " n"]
    factors: Int64[Tensor, "n k"] | None = None
    names: np.ndarray | None = None
    classes: tuple[str, ...] | None = None

    def take(self, positions: Int64[Tensor, " m"]) -> "LabelledImages":
        """Return the examples at these positions; images in files stay there."""
        images = self.images[positions] if isinstance(self.images, Tensor) else self.images.take(positions)
        factors = None if self.factors is None else self.factors[positions]
        names = None if self.names is None else self.names[positions.cpu().numpy()]
        return LabelledImages(images, self.labels[positions], factors, names, self.classes)

    def named(self) -> "LabelledImages":
        """Return the same images; where they have no names, the names are their indices."""
        return self if self.names is not None else self._replace(names=np.arange(len(self.images)))


class ImageSets(NamedTuple):
    """The splits that a data set comes with; without one for validation, the data module cuts that from ``train``."""

    train: LabelledImages
    test: LabelledImages
    validation: LabelledImages | None = None
