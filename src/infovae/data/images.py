"""Images in memory."""

from typing import NamedTuple

from jaxtyping import Int64, UInt8
from torch import Tensor


class LabelledImages(NamedTuple):
    """Images as bytes, and their class labels."""

    images: UInt8[Tensor, "n c h w"]
    labels: Int64[Tensor, " n"]


class ImageSets(NamedTuple):
    """What a data set brings: the validation split is cut from its training part later, by seed."""

    train: LabelledImages
    test: LabelledImages
