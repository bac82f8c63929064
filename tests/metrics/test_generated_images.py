"""Images from prior draws."""

import pytest
import torch
from metrics.linear_gaussian import LinearGaussian, LinearGaussianModel

from infovae.metrics.generated_images import generated_images


@pytest.mark.parametrize("drawn", [False, True])
def test_pixels_are_cut_to_what_an_image_may_hold(drawn: bool) -> None:
    model = LinearGaussianModel(LinearGaussian.random(2, 5))
    images = torch.cat(list(generated_images(model, 600, drawn)))
    assert images.shape == (600, 1, 1, 5)
    assert (images.min(), images.max()) == (0, 1)
    assert ((images > 0) & (images < 1)).any()
