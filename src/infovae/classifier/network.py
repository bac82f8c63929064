"""A small convolutional classifier for images of any size."""

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from infovae.errors import ArgumentError, require_at_least

POOLED_SIDE = 4
"""The largest height and width after the last convolution, so that the number of weights doesn't grow with images."""


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


class Classifier(nn.Module):
    """Stages of two 3x3 convolutions that halve height and width, then one wide layer of features, then class logits.

    Args:
        image_shape: (c, h, w).
        classes: how many.
        channels: of each stage.
        features: width of the layer below the logits.

    Raises:
        ValueError: a size is out of range.
    """

    def __init__(
        self, image_shape: Sequence[int], classes: int, channels: Sequence[int] = (16, 32, 64), features: int = 128
    ) -> None:
        super().__init__()
        if not channels or min(channels) < 1:
            raise ArgumentError("channels", list(channels), "non-empty lists of whole numbers of at least 1")
        require_at_least(1, features=features)
        require_at_least(2, classes=classes)
        self.image_shape = tuple(image_shape)
        self.classes = classes
        self.channels = tuple(channels)
        self.feature_count = features
        image_channels, height, width = image_shape
        layers: list[nn.Module] = []
        for before, after in pairwise([image_channels, *channels]):
            layers += [*_convolution(before, after), *_convolution(after, after), nn.MaxPool2d(2, ceil_mode=True)]
            height, width = -(-height // 2), -(-width // 2)
        height, width = min(POOLED_SIDE, height), min(POOLED_SIDE, width)
        self.features = nn.Sequential(
            *layers,
            nn.AdaptiveAvgPool2d((height, width)),
            nn.Flatten(),
            nn.Linear(channels[-1] * height * width, features, bias=False),
            nn.BatchNorm1d(features),
            nn.ReLU(),
        )
        self.logits = nn.Linear(features, classes)

    def embed(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Return the layer below the logits, for pixels in [0, 1]."""
        return self.features(2 * images - 1)

    def classify(self, features: Float[Tensor, "n k"]) -> Float[Tensor, "n classes"]:
        """Return the class logits of embedded images."""
        return self.logits(features)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        return self.classify(self.embed(images))
