"""DIP against the definition and its expectation."""

import math
from pathlib import Path

import pytest
import torch
from conftest import TINY, Compose

from infovae.codes import Basis, Codes
from infovae.divergences.dip import DIP
from infovae.errors import ArgumentError
from infovae.priors.standard_normal import StandardNormal
from infovae.training.run import train

PRIOR = StandardNormal(2)


def codes(n: int, d: int, variance: float) -> Codes:
    mean = torch.randn(n, d).double()
    return Codes(mean, mean, torch.full_like(mean, variance), n)


@pytest.mark.parametrize("form", ["mean", "aggregate"])
def test_is_the_papers_sum_over_a_covariance(form: str) -> None:
    torch.manual_seed(0)
    batch = codes(30, 3, 0.4)
    covariance = torch.cov(batch.mean.T, correction=0)
    if form == "aggregate":
        covariance = covariance + 0.4 * torch.eye(3).double()
    expected = 0.0
    for i in range(3):
        for j in range(3):
            expected += 10 * (covariance[i, i] - 1).item() ** 2 if i == j else covariance[i, j].item() ** 2
    assert DIP(form, diagonal_weight=10)(batch, PRIOR).item() == pytest.approx(expected, rel=1e-12)


def test_is_0_at_covariance_i_only() -> None:
    corners = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    apart = Codes(corners, corners, torch.zeros(4, 2), 4)
    assert DIP("mean")(apart, PRIOR).item() == 0
    inside = Codes(corners, corners * math.sqrt(0.75), torch.full((4, 2), 0.25), 4)
    assert DIP("aggregate")(inside, PRIOR).item() == pytest.approx(0, abs=1e-12)
    assert DIP("mean")(inside, PRIOR).item() == pytest.approx(2 * 0.25**2)


def test_expectation_under_the_prior_is_that_of_the_docstring() -> None:
    torch.manual_seed(0)
    d, n, weight, repeats = 3, 100, 2.0, 2000
    values = torch.stack([DIP("mean", weight)(codes(n, d, 0.0), PRIOR) for _ in range(repeats)])
    expected = d * (d - 1 + 2 * weight) / n
    # The next order in 1/n is below expected / n * 3.
    assert abs(values.mean() - expected) < 5 * values.std() / math.sqrt(repeats) + 3 * expected / n


def test_correlated_posteriors_count_with_their_covariance() -> None:
    torch.manual_seed(0)
    matrix = torch.tensor([[1.0, 0.0], [0.8, 0.5]]).double()
    spread = torch.rand(20, 2).double()
    mean = torch.randn(20, 2).double()
    full = torch.einsum("ik,nk,jk->nij", matrix, spread, matrix)
    basis = Basis(spread, matrix, matrix.inverse())
    batch = Codes(mean, mean, torch.diagonal(full, dim1=1, dim2=2), 20, basis)
    covariance = torch.cov(mean.T, correction=0) + full.mean(dim=0)
    torch.testing.assert_close(DIP()(batch, PRIOR), (covariance - torch.eye(2)).square().sum())


def test_refuses_a_weight_below_0() -> None:
    with pytest.raises(ArgumentError, match="diagonal_weight=-1"):
        DIP(diagonal_weight=-1)


@pytest.mark.parametrize(("alpha", "told"), [(1.0, 1), (0.0, 0)])
def test_a_run_without_the_rate_says_what_is_left_out(
    composed: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture, alpha: float, told: int
) -> None:
    train(composed(*TINY, "divergence=dip", f"model.alpha={alpha}", "trainer.max_epochs=1", run_dir=tmp_path))
    assert sum("leaves out the rate that its paper weighs" in record.getMessage() for record in caplog.records) == told
