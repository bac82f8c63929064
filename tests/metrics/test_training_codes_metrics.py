"""Classifiers on codes: classes that a code shows, half shows and hides, and the Bayes error of two Gaussians."""

import math

import numpy as np
import pytest
import torch
from sklearn.semi_supervised import SelfTrainingClassifier
from torch import Tensor

from infovae.codes import Codes
from infovae.metrics.few_labels import METHODS, FewLabels, nearest_neighbours, self_trained_svm
from infovae.metrics.linear_probe import LinearProbe
from infovae.metrics.sampled_linear_probe import SampledLinearProbe
from infovae.model import Observed


def observed(mean: Tensor, labels: Tensor) -> Observed:
    return Observed(torch.zeros(len(mean), 1, 1, 1), labels, Codes(mean, mean, torch.ones_like(mean), len(mean)))


def measure(
    metric: FewLabels | LinearProbe, training: tuple[Tensor, Tensor], held_out: tuple[Tensor, Tensor]
) -> dict[str, float]:
    for mean, labels in zip(training[0].split(97), training[1].split(97), strict=True):
        metric.observe_training(observed(mean, labels))
    metric.observe(observed(*held_out))
    return {name: value.item() for name, value in metric.compute().items()}


def two_gaussians(n: int, shift: float) -> tuple[Tensor, Tensor]:
    labels = torch.arange(n) % 2
    mean = torch.randn(n, 3)
    mean[:, 0] += shift * (2 * labels - 1)
    return mean, labels


def test_few_labels_near_the_bayes_error() -> None:
    """Classes at -1 and 1 with unit variance: no classifier errs less often than Phi(-1)."""
    bayes = 0.5 * math.erfc(1 / math.sqrt(2))
    n = 4000
    found = measure(
        FewLabels(labels=[40, 400], draws=3, unlabelled=300), two_gaussians(2000, 1.0), two_gaussians(n, 1.0)
    )
    sampling = 4.5 * math.sqrt(bayes * (1 - bayes) / n)
    for method in METHODS:
        few, more = (found[f"error_{method}_with_{count}_labels"] for count in (40, 400))
        assert bayes - sampling < more < 0.5
        assert few > bayes - sampling
        assert found[f"error_{method}_with_40_labels_standard_error"] > 0
    # Of a linear rule whose direction is known to about sqrt(d / n), the excess error is of that order squared.
    assert found["error_linear_svm_with_400_labels"] < bayes + sampling + 10 * 3 / 400


def test_a_code_that_hides_the_class_leaves_chance() -> None:
    n = 2000
    found = measure(FewLabels(labels=[60], draws=2, unlabelled=100), two_gaussians(500, 0.0), two_gaussians(n, 0.0))
    for method in METHODS:
        assert found[f"error_{method}_with_60_labels"] == pytest.approx(0.5, abs=4.5 * 0.5 / math.sqrt(n))


def test_self_training_learns_from_what_has_no_label() -> None:
    """Two rings of three arcs: four labels alone say little, the unlabelled points carry them around."""
    training, held_out = two_gaussians(3000, 3.0), two_gaussians(1000, 3.0)
    found = measure(FewLabels(labels=[6], draws=5, unlabelled=2000), training, held_out)
    assert found["error_self_trained_svm_with_6_labels"] < 0.05


def test_labels_beyond_the_split_single_classes_and_nan_are_not_a_number() -> None:
    training, held_out = two_gaussians(50, 1.0), two_gaussians(20, 1.0)
    found = measure(FewLabels(labels=[20, 100], draws=2), training, held_out)
    assert math.isnan(found["error_linear_svm_with_100_labels"])
    assert not math.isnan(found["error_linear_svm_with_20_labels"])
    alone = (training[0], torch.zeros(50, dtype=torch.int64))
    broken = (torch.full((50, 3), torch.nan), training[1])
    for bad in (alone, broken):
        assert all(map(math.isnan, measure(FewLabels(labels=[20], draws=2), bad, held_out).values()))
        assert all(map(math.isnan, measure(LinearProbe(), bad, held_out).values()))


def test_one_label_a_class_and_codes_that_never_move_are_no_crash() -> None:
    still = (torch.ones(50, 1), torch.arange(50) % 2)
    found = measure(FewLabels(labels=[2], draws=2, unlabelled=5), still, still)
    assert found["error_linear_svm_with_2_labels"] == 0.5
    assert math.isnan(found["error_self_trained_svm_with_2_labels"])
    assert measure(LinearProbe(), still, still)["linear_probe_information"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_codes_are_scaled_by_one_number_of_the_training_split(scale: float) -> None:
    metric, training = LinearProbe(), scale * torch.randn(50, 2) * torch.tensor([1.0, 0.3]) + 7
    metric.observe_training(observed(training, torch.zeros(50, dtype=torch.int64)))
    metric.update(training[:3] + scale, torch.zeros(3, dtype=torch.int64))
    codes, _ = metric.training_split()
    assert codes.mean(axis=0) == pytest.approx(np.zeros(2), abs=1e-5)
    assert np.square(codes).mean() == pytest.approx(1, rel=1e-5)
    deviation = training.double().var(dim=0, correction=0).mean().sqrt().item()
    assert metric.measured_split()[0] - codes[:3] == pytest.approx(scale / deviation, rel=1e-4)
    assert not metric.of_any_split
    assert metric.compares_with_training


def test_codes_that_never_move_keep_their_unit() -> None:
    metric = LinearProbe()
    metric.observe_training(observed(torch.ones(5, 2), torch.zeros(5, dtype=torch.int64)))
    metric.update(torch.full((1, 2), 4.0), torch.zeros(1, dtype=torch.int64))
    assert metric.measured_split()[0].tolist() == [[3, 3]]


def test_a_class_that_is_not_held_out_and_a_broken_code_that_is() -> None:
    mean, labels = torch.randn(90, 2), torch.arange(90) % 3
    held_out = (mean[labels != 1], labels[labels != 1])
    found = measure(LinearProbe(), (mean, labels), held_out)
    assert math.isfinite(found["linear_probe_information"])
    broken = held_out[0].clone()
    broken[5, 1] = torch.inf
    assert math.isnan(measure(LinearProbe(), (mean, labels), (broken, held_out[1]))["linear_probe_error"])


def test_neighbours_are_five() -> None:
    """From 0, the classes of the nearest codes are 0, 0, 1, 1, 1, 0: four and six of them are a tie, which 0 wins."""
    codes, labels = np.arange(1.0, 7.0)[:, None], np.array([0, 0, 1, 1, 1, 0])
    assert nearest_neighbours(codes, labels, codes[:0]).predict(np.zeros((1, 1))) == [1]


@pytest.mark.parametrize(("fewest", "folds"), [(2, 2), (3, 3), (4, 3)])
def test_self_training_is_calibrated_on_up_to_three_folds(fewest: int, folds: int) -> None:
    codes, labels = np.linspace(-1, 1, 2 * fewest)[:, None], np.repeat([0, 1], fewest)
    classifier = self_trained_svm(codes, labels, codes[:1])
    assert isinstance(classifier, SelfTrainingClassifier)
    assert (classifier.estimator.cv, classifier.estimator.ensemble, classifier.threshold) == (folds, False, 0.95)


def test_every_example_may_have_its_label() -> None:
    split = two_gaussians(20, 3.0)
    found = measure(FewLabels(labels=[20, 2], draws=1, unlabelled=0), split, split)
    assert found["error_linear_svm_with_20_labels"] < 0.2
    assert found["error_linear_svm_with_2_labels"] < 0.5


def test_the_units_of_z_do_not_matter() -> None:
    training, held_out = two_gaussians(300, 1.0), two_gaussians(200, 1.0)
    base = measure(FewLabels(labels=[50], draws=2, unlabelled=50), training, held_out)
    scaled = measure(
        FewLabels(labels=[50], draws=2, unlabelled=50), (64 * training[0], training[1]), (64 * held_out[0], held_out[1])
    )
    assert base == scaled


def test_the_linear_probe_finds_the_bayes_error_and_the_information() -> None:
    """With labels drawn from p(label|z), logistic in z, the probe is the truth: H - cross-entropy is I(label; z)."""
    n = 20_000
    bayes = 0.5 * math.erfc(1 / math.sqrt(2))
    found = measure(LinearProbe(examples=5000), two_gaussians(5000, 1.0), two_gaussians(n, 1.0))
    assert found["linear_probe_error"] == pytest.approx(bayes, abs=4.5 * math.sqrt(bayes * (1 - bayes) / n) + 3 / 5000)
    logit = 2 * (torch.randn(400_000).double() + 1)
    log_probability = -torch.nn.functional.softplus(-logit)
    exact = math.log(2) + float(log_probability.mean())
    error = float(log_probability.std()) / math.sqrt(n)
    # Four fitted weights cost about 4 / (2 * 5000) nats.
    assert found["linear_probe_information"] == pytest.approx(exact - 4 / 10_000, abs=4.5 * error + 4 / 10_000)


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [(FewLabels, "labels", [1]), (FewLabels, "labels", []), (FewLabels, "draws", 0), (FewLabels, "unlabelled", -1),
     (LinearProbe, "examples", 1)],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(kind: type, key: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{key}=.*: .*accepted: "):
        kind(**{key: value})


def test_samples_know_less_than_the_means_where_posteriors_are_wide() -> None:
    torch.manual_seed(0)
    labels = torch.arange(4000) % 2
    mean = 0.01 * (2.0 * labels[:, None] - 1).repeat(1, 2)
    z = mean + torch.randn(4000, 2)
    seen = Observed(torch.zeros(4000, 1), labels, Codes(z, mean, torch.ones_like(mean), 4000))
    means, samples = LinearProbe(), SampledLinearProbe()
    for metric in (means, samples):
        metric.observe_training(seen.take(slice(2000)))
        metric.observe(seen.take(slice(2000, 4000)))
    assert means.compute()["linear_probe_error"] == 0
    found = samples.compute()
    # Five standard deviations of a share of 2,000 fair coins, and the little that 0.03 of a deviation tells.
    assert abs(found["sampled_linear_probe_error"] - 0.5) < 5 * math.sqrt(0.25 / 2000) + 0.02
    assert abs(found["sampled_linear_probe_information"]) < 0.02
