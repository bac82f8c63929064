"""The classifier's network takes images of any size."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infovae.classifier.network import Classifier


@given(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40), st.integers(2, 12), st.integers(1, 3))
@settings(deadline=None, max_examples=25)
def test_any_size_is_embedded_and_classified(c: int, h: int, w: int, classes: int, batch: int) -> None:
    classifier = Classifier((c, h, w), classes, channels=(4, 6), features=5).eval()
    images = torch.rand(batch, c, h, w)
    features = classifier.embed(images)
    assert features.shape == (batch, 5)
    assert classifier(images).shape == (batch, classes)
    torch.testing.assert_close(classifier.classify(features), classifier(images))
    # In evaluation mode images don't see each other: any batch size gives the same but for rounding.
    alone = torch.cat([classifier.embed(image) for image in images.split(1)])
    torch.testing.assert_close(features, alone)


def test_weights_do_not_grow_with_the_image() -> None:
    counts = {sum(p.numel() for p in Classifier((3, side, side), 10).parameters()) for side in (32, 64, 96)}
    assert len(counts) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"channels": []}, "channels=\\[\\]: .*accepted: "),
        ({"features": 0}, "features=0: .*accepted: "),
        ({"classes": 1}, "classes=1: .*accepted: "),
    ],
)
def test_what_can_not_be_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Classifier(**{"image_shape": (1, 8, 8), "classes": 10} | arguments)  # type: ignore[arg-type]
