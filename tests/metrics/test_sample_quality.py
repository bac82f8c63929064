"""Samples in the eyes of a real, small classifier of digits."""

import json
import logging
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from conftest import Command, Compose
from digits_classifier import train
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from infovae.data.digits import digits
from infovae.data.examples import DataSet
from infovae.data.loader import Loader
from infovae.data.module import DataModule
from infovae.evaluation.measure import Value, measure
from infovae.metrics.generated_images import are_drawn
from infovae.metrics.sample_quality import REPORTED, SampleQuality
from infovae.priors.standard_normal import StandardNormal
from infovae.runs.folder import write_config
from infovae.training.assemble import build_data, build_module


class Replayed:
    """Generates given images, one after the other."""

    def __init__(self, images: Tensor) -> None:
        self.images = images
        self.prior = StandardNormal(2)
        self.shown = 0

    def encode(self, images: Tensor) -> Distribution:
        return Independent(Normal(torch.zeros(len(images), 2), 1.0), 1)

    def decode(self, z: Tensor) -> Distribution:
        rows = torch.arange(self.shown, self.shown + len(z)) % len(self.images)
        self.shown += len(z)
        return Independent(Normal(self.images[rows], 0.2, validate_args=False), 3, validate_args=False)


@pytest.fixture(scope="module")
def classifiers(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("classifiers")
    train(folder)
    return str(folder)


def digit_images(part: str) -> Tensor:
    images: Tensor = getattr(digits(), part).images / 255
    return images


def quality(
    images: Tensor, classifiers: str, batch_size: int = 100, samples: int = 360, source: object = digits
) -> dict[str, Value]:
    data = DataModule(source, batch_size, validation_size=0)  # type: ignore[arg-type]
    factory = partial(SampleQuality, samples=samples, subset_size=100, classifiers=classifiers)
    measured = measure(Replayed(images), data, {"sample_quality": factory})
    return {name.removeprefix("test/"): value for name, value in measured.values.items()}


def test_test_images_as_samples_are_perfect(classifiers: str) -> None:
    found = quality(digit_images("test"), classifiers)
    # As many samples as test images: all of them, in another order.
    assert found["class_mismatch"] == pytest.approx(found["real_class_mismatch"])
    assert found["frechet_distance"] == pytest.approx(0, abs=1e-3)
    assert (found["precision"], found["recall"], found["coverage"]) == (1, 1, 1)
    assert sum(found["class_histogram"]) == pytest.approx(1)  # type: ignore[arg-type]


def test_training_images_as_samples_are_the_floor_and_noise_is_far_above(classifiers: str) -> None:
    # In their own order, not the loader's: another few hundred of the same law.
    real = quality(digit_images("train"), classifiers)
    noise = quality(torch.rand(360, 1, 8, 8), classifiers)
    for name in ("frechet_distance", "kernel_distance", "class_mismatch"):
        assert noise[name] > 10 * abs(real[name])  # type: ignore[operator, arg-type]
        assert noise[name] > 10 * abs(noise[f"real_{name}"])  # type: ignore[operator, arg-type]
    # Not precision: what is no digit may well lie in the wide ball of a digit that stands alone.
    for name in ("recall", "coverage"):
        assert noise[name] < 0.2 < 0.7 < real[name]  # type: ignore[operator]
        assert noise[f"real_{name}"] == real[f"real_{name}"]


def test_the_numbers_depend_on_no_batch_size_and_repeat(classifiers: str) -> None:
    images = digit_images("train")
    first, again, small = (quality(images, classifiers, batch_size) for batch_size in (100, 100, 7))
    assert first == again
    for name in REPORTED:
        assert small[name] == pytest.approx(first[name], rel=1e-3, abs=1e-4)


def test_fewer_samples_than_features_and_one_image_alone_are_measured(classifiers: str) -> None:
    found = quality(digit_images("train"), classifiers, samples=8)
    assert all(math.isfinite(found[name]) for name in REPORTED if "standard_error" not in name)  # type: ignore[arg-type]


def test_broken_samples_are_nan_and_real_images_are_measured_still(classifiers: str) -> None:
    found = quality(torch.full((3, 1, 8, 8), torch.nan), classifiers)
    assert all(math.isnan(found[name]) for name in ("class_mismatch", "frechet_distance", "precision"))  # type: ignore[arg-type]
    assert math.isnan(found["kernel_distance"])  # type: ignore[arg-type]
    assert found["real_precision"] > 0.7  # type: ignore[operator]


def test_fewer_images_than_neighbours_are_one_line(classifiers: str, caplog: pytest.LogCaptureFixture) -> None:
    data = DataModule(digits, validation_size=0)
    metric = SampleQuality(Replayed(digit_images("train")), data, samples=50, classifiers=classifiers)
    metric.update(digit_images("test")[:3])
    found = metric.compute()
    assert found["precision"].isnan()
    assert found["class_mismatch"].isfinite()
    assert "nan: k=5: there are 3 real and 50 generated images; accepted: whole numbers from 1 to 2" in caplog.text
    assert metric.reason is not None


@pytest.mark.parametrize(("samples", "sizes"), [(96, [96]), (97, [96, 1]), (250, [96, 96, 58])])
def test_so_many_images_of_each_kind_are_used(
    classifiers: str, samples: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = DataModule(digits, 96, validation_size=0)
    monkeypatch.setattr(data, "evaluation_loader", partial(loader_that_is_whole, data.evaluation_loader))
    metric = SampleQuality(Replayed(digit_images("train")), data, samples=samples, classifiers=classifiers)
    blocks = list(metric._training_images())
    assert [len(images) for images in blocks] == sizes
    for images in digit_images("test").split(96):
        metric.update(images)
    assert sum(map(len, metric.features)) == samples
    assert metric.classifier is not None
    torch.testing.assert_close(torch.cat(metric.features), metric.classifier.embed(digit_images("test")[:samples]))


def loader_that_is_whole(make: Callable[..., Loader], name: str, shared: bool = True) -> Loader:
    """What each process would get, of which there is one here."""
    assert not shared
    return make(name, shared=shared)


def test_the_smallest_numbers_are_accepted(classifiers: str) -> None:
    data = DataModule(digits, validation_size=0)
    metric = SampleQuality(Replayed(digit_images("train")), data, 2, k=1, subset_size=2, classifiers=classifiers)
    assert (metric.samples, metric.k, metric.subset_size) == (2, 1, 2)


def test_two_classes_are_enough(tmp_path: Path) -> None:
    def halves() -> DataSet:
        train, test, *_ = digits()
        return DataSet(train._replace(labels=train.labels % 2), test._replace(labels=test.labels % 2))

    data = DataModule(halves, validation_size=0)
    metric = SampleQuality(Replayed(digit_images("test")), data, classifiers=str(tmp_path))
    assert metric.reason is not None
    assert metric.reason.startswith("no classifier of this data set")


def test_a_missing_classifier_is_one_line_with_the_command(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = quality(digit_images("test"), str(tmp_path))
    assert set(found) == set(REPORTED)
    assert all(math.isnan(value) for value in found.values())  # type: ignore[arg-type]
    (line,) = caplog.messages
    assert line.endswith(f"infovae classifier data=digits folder={tmp_path}")
    data = DataModule(digits, validation_size=0)
    metric = SampleQuality(Replayed(digit_images("test")), data, classifiers=str(tmp_path))
    assert line == f"sample_quality is nan: {metric.reason}"


def test_a_set_without_classes_is_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def unlabelled() -> DataSet:
        train, test, *_ = digits()
        return DataSet(train._replace(labels=0 * train.labels), test._replace(labels=0 * test.labels))

    with caplog.at_level(logging.WARNING):
        found = quality(digit_images("test"), str(tmp_path), source=unlabelled)
    assert all(math.isnan(value) for value in found.values())  # type: ignore[arg-type]
    assert caplog.messages == ["sample_quality is nan: the images of this data set all have one label"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k=0: .*accepted: "),
        ({"samples": 5}, "samples=5: .*accepted: .* above k=5"),
        ({"subset_size": 1}, "subset_size=1: "),
    ],
)
def test_numbers_that_can_not_be_are_refused(arguments: dict[str, int], message: str) -> None:
    data = DataModule(digits, validation_size=0)
    with pytest.raises(ValueError, match=message):
        SampleQuality(Replayed(digit_images("test")), data, **arguments)  # type: ignore[arg-type]


def test_pixels_are_drawn_where_the_data_is_binarised() -> None:
    assert [are_drawn("auto", how) for how in ("none", "threshold", "stochastic")] == [False, True, True]  # type: ignore[arg-type]
    assert not are_drawn("mean", "stochastic")
    assert are_drawn("drawn", "none")


def test_evaluate_measures_a_run_with_it(composed: Compose, command: Command, classifiers: str, tmp_path: Path) -> None:
    network = ["network.encoder.hidden=[16]", "network.decoder.hidden=[16]"]
    cfg = composed("data=digits", "logger=none", "data.train_size=500", "data.binarization=stochastic", *network)
    module = build_module(cfg, build_data(cfg))
    write_config(cfg, tmp_path / "run")
    (tmp_path / "run" / "checkpoints").mkdir()
    torch.save({"state_dict": module.state_dict()}, tmp_path / "run" / "checkpoints" / "last.ckpt")
    small = ["metrics.sample_quality.samples=300", f"metrics.sample_quality.classifiers={classifiers}"]
    answer = command("evaluate", "run=run", "metrics=[sample_quality]", "device=cpu", *small)
    assert answer.returncode == 0, answer.stderr
    assert "is right on" in answer.stdout + answer.stderr
    measured = json.loads((tmp_path / "run" / "evaluation.json").read_text())["metrics"]
    assert set(measured) == {f"test/{name}" for name in (*REPORTED, "class_histogram")}
    # An untrained model's pixels are coins; the classifier of the grey digits was found for a binarised part of them.
    assert measured["test/frechet_distance"] > measured["test/real_frechet_distance"] > 0
    assert measured["test/coverage"] < measured["test/real_coverage"]
