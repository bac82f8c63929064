"""FID through torchmetrics: what is missing is told, and what is fed is right."""

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal
from torchmetrics.image.fid import FrechetInceptionDistance

from infovae.data.digits import digits
from infovae.data.module import DataModule
from infovae.errors import UserError
from infovae.metrics import inception_fid
from infovae.metrics.frechet_distance import frechet_distance
from infovae.metrics.inception_fid import InceptionFID, as_colour
from infovae.priors.standard_normal import StandardNormal


class Decoder:
    """Pixels are the codes, squashed."""

    prior = StandardNormal(64)

    def encode(self, images: Tensor) -> Distribution:
        return Independent(Normal(torch.zeros(len(images), 64), 1.0), 1)

    def decode(self, z: Tensor) -> Distribution:
        return Independent(Normal(z.sigmoid().view(-1, 1, 8, 8), 1.0), 3)


class Averages(nn.Module):
    """Stands for Inception: averages over quarters of each channel."""

    num_features = 12

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(images, 2).flatten(1)


def test_missing_weights_are_one_line_before_anything_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(UserError, match=r"missing .*weights-inception-2015-12-05-6726825d.pth; accepted: pip") as line:
        InceptionFID(Decoder(), DataModule(digits, validation_size=0))
    assert "\n" not in str(line.value)


def test_it_is_the_frechet_distance_of_colour_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inception_fid, "weights_file", lambda given: Path("unused"))
    monkeypatch.setattr(
        inception_fid, "FrechetInceptionDistance", lambda *_, **__: FrechetInceptionDistance(Averages(), normalize=True)
    )
    data, real = DataModule(digits, validation_size=0), digits().test.x / 255
    metric = InceptionFID(Decoder(), data, samples=300)
    for images in real.split(70):
        metric.update(images)
    torch.manual_seed(3)
    found = metric.compute()["inception_fid"].item()
    torch.manual_seed(3)
    generated = Decoder().decode(Decoder.prior.sample(300)).mean
    features = [Averages()(as_colour(images)) for images in (real[:300], generated)]
    # torchmetrics returns float32, with roots of eigenvalues that are 0 but for rounding: grey is three times alike.
    assert found == pytest.approx(frechet_distance(*features).item(), rel=1e-3)
    metric.reset()
    metric.update(real[:1])
    assert metric.compute()["inception_fid"].isnan()
    assert metric.reason == "FID needs at least two real images"
    metric.reset()
    assert metric.fid.real_features_num_samples == 0


def test_inception_is_asked_for_its_own_features_of_pixels_up_to_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, asked = tmp_path / "weights.pth", []
    weights.touch()

    def made(*features: int, **options: object) -> FrechetInceptionDistance:
        asked.append((features, options))
        return FrechetInceptionDistance(Averages(), normalize=True)

    monkeypatch.setattr(inception_fid, "FrechetInceptionDistance", made)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    data = DataModule(digits, validation_size=0)
    metric = InceptionFID(Decoder(), data, samples=2, weights=str(weights))
    assert asked == [((2048,), {"normalize": True, "feature_extractor_weights_path": str(weights)})]
    assert not metric.of_any_split
    for images in (digits().test.x[:3] / 255).split(1):
        metric.update(images)
    assert metric.fid.real_features_num_samples == 2
    assert metric.compute()["inception_fid"].isfinite()
    with pytest.raises(ValueError, match="samples=1: "):
        InceptionFID(Decoder(), data, samples=1, weights=str(weights))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="missing torch-fidelity; accepted: "):
        InceptionFID(Decoder(), data, weights=str(weights))


def test_images_of_two_channels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"images=.*: Inception needs colours; accepted: 1 or 3 channels"):
        as_colour(torch.rand(2, 2, 4, 4))
    colours = torch.rand(2, 3, 4, 4)
    assert torch.equal(as_colour(colours), colours)
