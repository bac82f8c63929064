"""A small convolutional classifier for images of any size."""

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

SIDE = 4
"""Height and width, at most, of what the last convolution hands on, so that weights don't grow with the image."""


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


class Classifier(nn.Module):
    """Two 3x3 convolutions a stage, each stage halving height and width; one wide layer, the features; class logits.

    Args:
        image_shape: (c, h, w).
        classes: how many.
        channels: of each stage.
        features: width of the layer under the logits.

    Raises:
        ValueError: a size that can't be.
    """

    def __init__(
        self, image_shape: Sequence[int], classes: int, channels: Sequence[int] = (16, 32, 64), features: int = 128
    ) -> None:
        super().__init__()
        if not channels or min(channels) < 1:
            raise ValueError(f"channels={list(channels)}: invalid; accepted: non-empty lists of whole numbers from 1")
        if features < 1:
            raise ValueError(f"features={features}: invalid; accepted: whole numbers of at least 1")
        if classes < 2:
            raise ValueError(f"classes={classes}: invalid; accepted: whole numbers of at least 2")
        self.image_shape = tuple(image_shape)
        self.classes = classes
        self.channels = tuple(channels)
        self.feature_count = features
        image_channels, height, width = image_shape
        layers: list[nn.Module] = []
        for before, after in pairwise([image_channels, *channels]):
            layers += [*_convolution(before, after), *_convolution(after, after), nn.MaxPool2d(2, ceil_mode=True)]
            height, width = -(-height // 2), -(-width // 2)
        height, width = min(SIDE, height), min(SIDE, width)
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
        """The layer under the logits, for pixels in [0, 1]."""
        features: Tensor = self.features(2 * images - 1)
        return features

    def classify(self, features: Float[Tensor, "n k"]) -> Float[Tensor, "n classes"]:
        """Class logits of embedded images."""
        logits: Tensor = self.logits(features)
        return logits

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        return self.classify(self.embed(images))
