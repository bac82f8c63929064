"""Each class's covariance against numpy and a mixture whose split is known."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from infovae.codes import Codes
from infovae.metrics.class_covariance import ClassCovariance
from infovae.metrics.log_det_covariance import LogDetCovariance
from infovae.priors.standard_normal import StandardNormal


def measure(mean: Tensor, variance: Tensor, labels: Tensor, batch: int = 50) -> dict[str, Tensor]:
    metric = ClassCovariance()
    for part in torch.arange(len(mean)).split(batch):
        metric.update(Codes(mean[part], mean[part], variance[part], len(mean)), labels[part])
    found: dict[str, Tensor] = metric.compute()
    return found


def test_each_class_has_numpys_covariance() -> None:
    labels = torch.arange(300) % 3
    mean = torch.randn(300, 2).double() * (1 + labels[:, None]) + 5 * labels[:, None]
    found = measure(mean, torch.full_like(mean, 0.3), labels)["log_det_covariance_by_class"]
    for label in range(3):
        covariance = np.cov(mean[labels == label].T.numpy()) + 0.3 * np.eye(2)
        assert float(found[label]) == pytest.approx(np.linalg.slogdet(covariance)[1], rel=1e-9)


def test_the_share_between_classes_is_that_of_a_known_mixture() -> None:
    """Classes at -a and a with unit variance: a^2 / (a^2 + 1) of the variance lies between them."""
    n, a = 20_000, 1.5
    labels = torch.arange(n) % 2
    mean = (2 * a * labels - a)[:, None] + 0 * torch.randn(n, 1)
    found = measure(mean.double(), torch.ones(n, 1).double(), labels, 3000)
    a2 = a**2 * n / (n - 1)
    assert float(found["between_class_variance"]) == pytest.approx(a2 / (a2 + 1), rel=1e-9)


def test_a_class_of_everything_has_what_log_det_covariance_finds() -> None:
    mean, variance = torch.randn(40, 3), torch.rand(40, 3)
    metric = LogDetCovariance(StandardNormal(3))
    metric.update(Codes(mean, mean, variance, 40))
    by_class = measure(mean, variance, torch.zeros(40, dtype=torch.int64))["log_det_covariance_by_class"]
    assert by_class.tolist() == [pytest.approx(metric.compute()["log_det_covariance"].item(), rel=1e-12)]


def test_classes_that_say_nothing_share_no_variance_on_average() -> None:
    """20 codes in 5 classes: dividing by n throughout would give a share of (5 - 1) / 20 = 0.2."""
    shares = [
        float(measure(torch.randn(20, 3), torch.zeros(20, 3), torch.arange(20) % 5)["between_class_variance"])
        for _ in range(400)
    ]
    assert abs(np.mean(shares)) < 4.5 * np.std(shares) / math.sqrt(len(shares))


def test_a_class_with_a_redundant_dimension_at_an_offset_is_singular() -> None:
    for seed in range(20):
        torch.manual_seed(seed)
        free = torch.randn(100, 2)
        mean = torch.cat([free, free.sum(dim=1, keepdim=True)], dim=1) + 10
        by_class = measure(mean, torch.zeros_like(mean), torch.arange(100) % 2)["log_det_covariance_by_class"]
        assert by_class.tolist() == [-math.inf, -math.inf]


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 12), st.integers(1, 4), st.integers(1, 13))
def test_shapes_and_batches(n: int, d: int, batch: int) -> None:
    torch.manual_seed(0)
    mean, variance, labels = torch.randn(n, d), torch.rand(n, d), torch.randint(5, (n,))
    found, whole = measure(mean, variance, labels, batch), measure(mean, variance, labels, n)
    assert found["log_det_covariance_by_class"].shape == (int(labels.max()) + 1,)
    for name in found:
        torch.testing.assert_close(found[name], whole[name], equal_nan=True)


def test_empty_single_and_collapsed_classes_are_told() -> None:
    mean = torch.tensor([[1.0], [1.0], [2.0]])
    found = measure(mean, torch.zeros(3, 1), torch.tensor([0, 0, 2]))
    by_class = found["log_det_covariance_by_class"].tolist()
    assert by_class[0] == -math.inf
    assert math.isnan(by_class[1])
    assert math.isnan(by_class[2])
    assert float(found["between_class_variance"]) == 1
    still = measure(torch.ones(3, 1), torch.zeros(3, 1), torch.tensor([0, 0, 1]))
    assert math.isnan(float(still["between_class_variance"]))
    broken = measure(torch.full((3, 1), torch.nan), torch.ones(3, 1), torch.tensor([0, 0, 1]))
    assert math.isnan(float(broken["between_class_variance"]))


@pytest.mark.parametrize(
    ("mean", "labels", "reason"),
    [
        ([[0.0], [1.0], [2.0], [4.0]], [0, 0, 1, 1], None),
        ([[0.5], [0.5], [0.5], [0.5]], [0, 0, 1, 1], "the codes don't vary"),
        ([[0.0], [1.0], [2.0]], [0, 0, 1], "a covariance needs two examples, and a class has fewer"),
    ],
)
def test_why_a_number_is_nan_is_known(mean: list[list[float]], labels: list[int], reason: str | None) -> None:
    metric = ClassCovariance()
    codes = torch.tensor(mean)
    metric.update(Codes(codes, codes, torch.zeros_like(codes), len(codes)), torch.tensor(labels))
    metric.compute()
    assert metric.reason == reason


def test_a_small_variance_is_a_variance() -> None:
    """A total below 1, with codes that vary, is no reason for nan."""
    metric, codes = ClassCovariance(), 1e-3 * torch.randn(20, 2)
    metric.update(Codes(codes, codes, torch.zeros_like(codes), 20), torch.arange(20) % 2)
    assert metric.compute()["between_class_variance"].isfinite()
    assert metric.reason is None
