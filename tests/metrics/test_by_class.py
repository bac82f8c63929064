"""A metric by class is that metric, on the examples of the class alone."""

from functools import partial

import pytest
import torch
from torch import Tensor
from torch.distributions import Distribution

from infovae.codes import Codes
from infovae.data.digits import digits
from infovae.data.examples import DataSet, Examples
from infovae.data.module import DataModule
from infovae.data.values import Standardized
from infovae.errors import UserError
from infovae.metrics.by_class import ByClass
from infovae.metrics.linear_probe import LinearProbe
from infovae.metrics.metric import make_metric
from infovae.metrics.mmd import MMDToPrior
from infovae.model import Observed
from infovae.priors.standard_normal import StandardNormal


class Model:
    prior = StandardNormal(2)

    def encode(self, x: Tensor) -> Distribution:
        raise NotImplementedError

    def decode(self, z: Tensor) -> Distribution:
        raise NotImplementedError


def test_each_class_is_measured_alone() -> None:
    torch.manual_seed(0)
    n, data = 90, DataModule(digits, validation_size=100)
    labels = torch.arange(n) % 3 + torch.tensor([0, 4, 4])[torch.arange(n) % 3]  # 0, 5 and 6
    z = torch.randn(n, 2) + labels[:, None]
    seen = Observed(torch.zeros(n, 1, 8, 8), labels, Codes(z, z, torch.ones(n, 2), n))
    metrics = {"mmd": partial(MMDToPrior, samples=100)}
    metric = make_metric("by_class", partial(ByClass, metrics), model=Model(), data=data)
    for rows in (slice(0, 40), slice(40, None)):
        metric.observe(seen.take(rows))
    found = metric.compute()["mmd_by_class"]
    assert found.isnan().tolist() == [label not in (0, 5, 6) for label in range(10)]
    for label in (0, 5, 6):
        alone = MMDToPrior(StandardNormal(2), samples=100)
        alone.observe(seen.take(labels == label))
        torch.testing.assert_close(found[label], alone.compute()["mmd"].double())
    with pytest.raises(UserError, match=r"^metrics.by_class.of=linear_probe: it compares with the training split"):
        make_metric("by_class", partial(ByClass, {"linear_probe": LinearProbe}), model=Model(), data=data)


def test_further_labels_are_measured_by_name() -> None:
    torch.manual_seed(0)
    n = 60
    factors = torch.stack([torch.arange(n) % 2, torch.arange(n) % 3], dim=1)
    z = torch.randn(n, 2) + 9 * factors[:, 1:]  # tells the second label alone
    whole = Examples(torch.zeros(n, 1), factors[:, 0], factors, factor_names=("tag", "site"))
    data = DataModule(lambda: DataSet(whole, whole, values=Standardized()), validation_size=0)
    seen = Observed(torch.zeros(n, 1), factors[:, 0], Codes(z, z, torch.ones(n, 2), n), factors)
    metric = make_metric("by_class", partial(ByClass, {"mmd": MMDToPrior}), model=Model(), data=data)
    metric.observe(seen)
    assert {name: len(value) for name, value in metric.compute().items() if name.startswith("mmd_by")} == {
        "mmd_by_class": 2, "mmd_by_site": 3
    }  # fmt: skip
    probe = make_metric("linear_probe", LinearProbe, data=data)
    probe.observe_training(seen)
    probe.observe(seen)
    found = {name: float(value) for name, value in probe.compute().items()}
    assert found["linear_probe_error_of_site"] < 0.05 < found["linear_probe_error"]
    assert found["linear_probe_information_of_site"] > 0.9
