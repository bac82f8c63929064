"""One example, two examples, and a last batch of one: every metric gives numbers, or nan with a reason."""

from functools import partial

import pytest
import torch
from conftest import CONF
from metrics.known_factors import data_with
from metrics.linear_gaussian import LinearGaussian, LinearGaussianModel
from torch import Tensor

from infovae.codes import Codes
from infovae.errors import UserError
from infovae.metrics.active_units import ActiveUnits
from infovae.metrics.aggregate_information import AggregateInformation
from infovae.metrics.annealed_importance import AnnealedImportance
from infovae.metrics.beta_vae_score import BetaVAEScore
from infovae.metrics.class_covariance import ClassCovariance
from infovae.metrics.class_posteriors import ClassPosteriors
from infovae.metrics.covariance_spectrum import CovarianceSpectrum
from infovae.metrics.dci import DCI
from infovae.metrics.factor_vae_score import FactorVAEScore
from infovae.metrics.few_labels import FewLabels
from infovae.metrics.importance_weighted import ImportanceWeighted
from infovae.metrics.inference_gap import InferenceGap
from infovae.metrics.linear_probe import LinearProbe
from infovae.metrics.log_det_covariance import LogDetCovariance
from infovae.metrics.metric import Metric, make_metric
from infovae.metrics.mig import MIG
from infovae.metrics.mmd import MMDToPrior
from infovae.metrics.mmd_permutation import MMDPermutation
from infovae.metrics.reconstruction import Reconstruction
from infovae.metrics.sampled_linear_probe import SampledLinearProbe
from infovae.metrics.sampled_log_det_covariance import SampledLogDetCovariance
from infovae.metrics.sap import SAP
from infovae.model import Observed

METRICS = {
    "active_units": ActiveUnits,
    "aggregate_information": AggregateInformation,
    "annealed_importance": partial(AnnealedImportance, images=9, chains=2, temperatures=3, leapfrog_steps=1),
    "beta_vae_score": partial(BetaVAEScore, pairs=4, learned=20, judged=10),
    "class_covariance": ClassCovariance,
    "class_posteriors": ClassPosteriors,
    "covariance_spectrum": CovarianceSpectrum,
    "dci": partial(DCI, trees=2),
    "factor_vae_score": partial(FactorVAEScore, group=4, learned=20, judged=10),
    "few_labels": partial(FewLabels, labels=[4], draws=2, unlabelled=5),
    "importance_weighted": partial(ImportanceWeighted, images=9, samples=30),
    "inference_gap": partial(InferenceGap, nodes=200),
    "linear_probe": LinearProbe,
    "log_det_covariance": LogDetCovariance,
    "mig": partial(MIG, bins=3),
    "mmd": MMDToPrior,
    "mmd_permutation": partial(MMDPermutation, permutations=20),
    "reconstruction": Reconstruction,
    "sampled_log_det_covariance": SampledLogDetCovariance,
    "sampled_linear_probe": SampledLinearProbe,
    "sap": SAP,
}
ELSEWHERE = {"by_class", "disentanglement", "full", "inception_fid", "sample_quality"}
"""Lists of others, and what needs other metrics or a network: in tests of their own."""


LEAST = [
    ("aggregate_information", "examples", 1), ("aggregate_information", "queries", 1),
    ("annealed_importance", "chains", 1), ("annealed_importance", "chunk", 1), ("annealed_importance", "images", 1),
    ("annealed_importance", "leapfrog_steps", 1), ("annealed_importance", "temperatures", 1),
    ("beta_vae_score", "examples", 1), ("beta_vae_score", "judged", 1), ("beta_vae_score", "learned", 1),
    ("beta_vae_score", "pairs", 1), ("dci", "examples", 1), ("dci", "trees", 1), ("factor_vae_score", "group", 2),
    ("factor_vae_score", "judged", 1), ("factor_vae_score", "learned", 1), ("few_labels", "draws", 1),
    ("few_labels", "unlabelled", 0), ("importance_weighted", "chunk", 1), ("importance_weighted", "images", 1),
    ("importance_weighted", "samples", 1), ("inference_gap", "nodes", 100), ("linear_probe", "examples", 2),
    ("mig", "bins", 2), ("mmd", "prior_samples", 2), ("mmd", "samples", 2), ("mmd_permutation", "permutations", 1),
    ("mmd_permutation", "samples", 1), ("sap", "examples", 1),
]  # fmt: skip
"""The smallest value that each count may have."""

FIRST = {
    "aggregate_information": "examples", "annealed_importance": "images", "importance_weighted": "images",
    "mig": "examples", "mmd": "samples", "mmd_permutation": "samples",
}  # fmt: skip
"""The argument that says how many examples are used."""


def measure(name: str, n: int, batches: list[int], **settings: int) -> tuple[dict[str, Tensor], Metric]:
    """What a metric finds on n examples of a known model, and the metric."""
    torch.manual_seed(1)
    model = LinearGaussianModel(LinearGaussian.random(1, 5))
    images, labels, factors = model.simulate(n), torch.arange(n) % 2, torch.randint(3, (n, 2))
    posterior = model.encode(images)
    codes = Codes(posterior.sample(), posterior.mean, posterior.variance, n)
    whole = Observed(images, labels, codes, factors)
    metric = make_metric(
        name, partial(METRICS[name], **settings), prior=model.prior, model=model, data=data_with(factors)
    )
    if metric.compares_with_training:
        metric.observe_training(whole)
    for part in torch.arange(n).split(batches):
        metric.observe(whole.take(part))
    torch.manual_seed(2)
    return metric.compute(), metric


def test_every_metric_is_here() -> None:
    assert set(METRICS) | ELSEWHERE == {path.stem for path in (CONF / "metrics").glob("*.yaml")}


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("name", METRICS)
def test_a_number_that_needs_more_examples_is_nan_with_a_reason(name: str, n: int) -> None:
    found, metric = measure(name, n, [n])
    unknown = any(bool(value.isnan().any()) for key, value in found.items() if "_by_" not in key)
    assert not unknown or metric.reason
    assert unknown or metric.reason is None or name == "class_covariance"


@pytest.mark.parametrize(("name", "argument", "least"), LEAST)
def test_counts_have_a_least_value(name: str, argument: str, least: int) -> None:
    measure(name, 4, [4], **{argument: least})
    with pytest.raises(UserError, match=rf"^metrics\.{name}\.{argument}={least - 1}: too small; accepted: .* {least}$"):
        measure(name, 4, [4], **{argument: least - 1})


@pytest.mark.parametrize(("name", "argument"), FIRST.items())
def test_the_first_examples_count_whatever_the_batches(name: str, argument: str) -> None:
    whole, _ = measure(name, 9, [9], **{argument: 5})
    found, _ = measure(name, 9, [4, 1, 4], **{argument: 5})
    all_nine, _ = measure(name, 9, [9], **{argument: 9})
    for key, value in whole.items():
        torch.testing.assert_close(found[key], value, rtol=1e-9, atol=1e-12, equal_nan=True)
    assert any(not torch.equal(all_nine[key], whole[key]) for key in whole)


@pytest.mark.parametrize("name", METRICS)
def test_a_last_batch_of_one_is_a_batch(name: str) -> None:
    found, _ = measure(name, 9, [4, 4, 1])
    whole, _ = measure(name, 9, [9])
    for key, value in whole.items():
        torch.testing.assert_close(found[key], value, rtol=1e-9, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize("name", ["log_det_covariance", "active_units", "mmd", "covariance_spectrum"])
def test_one_example_has_no_covariance_and_no_unbiased_distance(name: str) -> None:
    assert all(bool(value.isnan().all()) for value in measure(name, 1, [1])[0].values())
    # MMD^2 of two codes is one pair: a number, without an error.
    two, _ = measure(name, 2, [1, 1])
    assert all(bool(value.isfinite().all()) for key, value in two.items() if not key.endswith("_error"))
    assert all(bool(value.isnan()) for key, value in two.items() if key.endswith("_error"))


@pytest.mark.parametrize("name", ["covariance_spectrum", "aggregate_information", "class_covariance"])
def test_vectors_of_one_entry_stay_vectors(name: str) -> None:
    found, _ = measure(name, 1 if name == "class_covariance" else 9, [1] if name == "class_covariance" else [9])
    vectors = {"covariance_eigenvalues", "kl_by_dimension", "log_det_covariance_by_class"} & set(found)
    assert [found[key].shape for key in vectors] == [(1,)]
