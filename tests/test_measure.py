"""What evaluate.py finds does not depend on how it looks."""

from functools import partial

import pytest
import torch
from conftest import SMALL, Compose
from torch import Tensor

from infovae.data.examples import DataSet, Examples
from infovae.data.module import DataModule
from infovae.errors import UserError
from infovae.evaluation.measure import measure, observe
from infovae.metrics.few_labels import FewLabels
from infovae.metrics.log_det_covariance import LogDetCovariance
from infovae.metrics.metric import Metric, make_metric
from infovae.metrics.mmd_permutation import MMDPermutation
from infovae.metrics.reconstruction import Reconstruction
from infovae.model import Observed
from infovae.module import InfoVAE
from infovae.priors.standard_normal import StandardNormal
from infovae.training.assemble import build_data, build_module

METRICS = {
    "log_det_covariance": LogDetCovariance,
    "mmd_permutation": partial(MMDPermutation, samples=100, permutations=50),
    "reconstruction": Reconstruction,
    "few_labels": partial(FewLabels, labels=[50], draws=2, unlabelled=20),
}


@pytest.fixture
def subject(composed: Compose) -> tuple[InfoVAE, DataModule]:
    cfg = composed(*SMALL, "data.binarization=stochastic", "latent_dim=3")
    data = build_data(cfg)
    data.splits["test"] = data.splits["test"].take(torch.arange(300))
    return build_module(cfg, data).eval(), data


def test_the_numbers_do_not_depend_on_the_batch_size_and_repeat_with_the_seed(
    subject: tuple[InfoVAE, DataModule],
) -> None:
    model, data = subject
    found = []
    for batch_size in (7, 300, 300):
        data.batch_size = batch_size
        found.append(measure(model, data, METRICS).values)
    # A sum over 784 pixels in another order: float32 rounding, at most 784 * eps of the largest partial sum.
    assert found[0] == pytest.approx(found[1], rel=784 * torch.finfo(torch.float32).eps)
    assert found[1] == found[2]
    other = measure(model, data, METRICS, seed=1).values
    assert other["test/reconstruction"] != found[1]["test/reconstruction"]


def test_a_metric_moves_neither_another_nor_the_random_stream(subject: tuple[InfoVAE, DataModule]) -> None:
    model, data = subject
    before = torch.get_rng_state()
    together = measure(model, data, METRICS).values
    assert torch.equal(before, torch.get_rng_state())
    for name, metric in METRICS.items():
        alone = measure(model, data, {name: metric}).values
        assert alone == {key: together[key] for key in alone}


def test_the_training_split_is_measured_beside_and_only_where_it_means_something(
    subject: tuple[InfoVAE, DataModule],
) -> None:
    found = measure(*subject, METRICS)
    splits = {name: {key.split("/")[0] for key in found.values if name in key} for name in ("log_det", "_labels")}
    assert splits == {"log_det": {"test", "train"}, "_labels": {"test"}}
    assert set(found.seconds) == set(METRICS)
    alone = measure(*subject, {"log_det_covariance": LogDetCovariance}, split="train").values
    assert alone == {"train/log_det_covariance": found.values["train/log_det_covariance"]}


def test_images_labels_codes_and_factors_stay_together() -> None:
    """Each image is its own number, which is also its label, its factor and, for this model, its mean code."""

    n = 40
    images = torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1)
    labelled = Examples(images, torch.arange(n), torch.arange(n)[:, None])
    data = DataModule(lambda: DataSet(labelled, labelled), batch_size=7, validation_size=4)

    class Model:
        prior = StandardNormal(1)

        def encode(self, images: Tensor) -> torch.distributions.Distribution:
            return torch.distributions.Normal(255 * images.flatten(1), 0.01)

        def decode(self, z: Tensor) -> torch.distributions.Distribution:
            raise NotImplementedError

    seen: list[Observed] = list(observe(Model(), data, "test", seed=3))
    numbers = torch.cat([part.labels for part in seen])
    assert sorted(numbers.tolist()) == list(range(n))
    for part in seen:
        assert part.factors is not None
        assert torch.equal(part.factors[:, 0], part.labels)
        torch.testing.assert_close(part.codes.mean[:, 0], part.labels.float())
        assert torch.equal((255 * part.x.flatten()).round().long(), part.labels)
        assert part.codes.dataset_size == n
    z = torch.cat([(part.codes.z - part.codes.mean)[:, 0] / 0.01 for part in seen])
    torch.testing.assert_close(
        z, torch.randn(n, 1, generator=torch.Generator().manual_seed(3))[:, 0], rtol=1e-2, atol=1e-2
    )


def test_why_a_number_is_nan_is_told(subject: tuple[InfoVAE, DataModule]) -> None:
    metrics = {"beyond": partial(FewLabels, labels=[401], draws=1), "within": METRICS["few_labels"]}
    measured = measure(*subject, metrics)
    assert measured.reasons == {"beyond": "the training split has 400 examples"}
    assert measured.absent == {name for name in measured.values if "_with_401_labels" in name}


def test_a_metric_is_given_what_it_names(subject: tuple[InfoVAE, DataModule]) -> None:
    class Curious(Metric):
        def __init__(self, data: DataModule, model: InfoVAE, size: int = 3) -> None:
            super().__init__()
            self.seen = (data, model, size)

        def update(self) -> None: ...

        def observe(self, observed: Observed) -> None: ...

        def compute(self) -> dict[str, Tensor]:
            return {}

    model, data = subject
    metric = make_metric("curious", partial(Curious, size=4), prior=model.prior, model=model, data=data)
    assert isinstance(metric, Curious)
    assert metric.seen == (data, model, 4)


def test_a_metric_that_can_t_be_made_is_told_with_its_key(subject: tuple[InfoVAE, DataModule]) -> None:
    class Forgetful(LogDetCovariance):
        def __init__(self) -> None:
            super().__init__()  # type: ignore[call-arg]

    told = r"^metrics\.forgetful: TypeError: .*missing .*required .*argument: 'prior'$"
    with pytest.raises(UserError, match=told) as refusal:
        make_metric("forgetful", Forgetful, prior=subject[0].prior)
    assert "super().__init__()" in refusal.value.details


def test_what_takes_little_is_measured_first_and_kept_at_once(subject: tuple[InfoVAE, DataModule]) -> None:
    class Costly(LogDetCovariance):
        effort = 7

    kept: list[tuple[set[str], list[str]]] = []
    metrics = {"few_labels": METRICS["few_labels"], "costly": Costly, "reconstruction": Reconstruction}
    found = measure(*subject, metrics, keep=lambda so_far: kept.append((set(so_far.values), list(so_far.left))))
    assert [left for _, left in kept] == [["few_labels", "costly"], ["costly"], []]
    assert "test/elbo" in kept[0][0]
    assert not any("labels" in name for name in kept[0][0])
    assert kept[-1][0] == set(found.values)
