"""Total correlation against the definition, closed forms and quadrature."""

import math
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, MultivariateNormal, Normal

from infovae.codes import Basis, Codes
from infovae.divergences.total_correlation import TotalCorrelation
from infovae.divergences.total_correlation_density_ratio import TotalCorrelationDensityRatio, shuffled
from infovae.priors.standard_normal import StandardNormal

PRIOR = StandardNormal(2).double()


def gaussian_total_correlation(covariance: Tensor) -> float:
    """TC of a Gaussian: half the log ratio of the variances' product to the determinant."""
    return 0.5 * (covariance.diagonal().log().sum() - torch.logdet(covariance)).item()


def codes(mean: Tensor, variance: Tensor) -> Codes:
    z = mean + variance.sqrt() * torch.randn(mean.shape, dtype=mean.dtype)
    return Codes(z, mean, variance, len(mean))


def test_is_the_definition_when_the_batch_is_the_data_set() -> None:
    torch.manual_seed(0)
    batch = codes(torch.randn(20, 3).double(), torch.rand(20, 3).double() + 0.1)
    expected = 0.0
    for z in batch.z:
        densities = Normal(batch.mean, batch.variance.sqrt()).log_prob(z).exp()
        joint, marginals = densities.prod(dim=1).mean(), densities.mean(dim=0)
        expected += (joint.log() - marginals.log().sum()).item() / len(batch.z)
    assert TotalCorrelation()(batch, PRIOR).item() == pytest.approx(expected, rel=1e-9)


def test_weighted_estimate_differs_by_its_known_offset() -> None:
    """On the whole data set, each weighted log density is too low by log N: the joint once, the marginals d times."""
    torch.manual_seed(0)
    n, d = 16, 3
    batch = codes(torch.randn(n, d).double(), torch.rand(n, d).double() + 0.1)
    difference = TotalCorrelation("weighted")(batch, PRIOR) - TotalCorrelation()(batch, PRIOR)
    assert difference.item() == pytest.approx((d - 1) * math.log(n), rel=1e-9)


def test_a_product_of_grids_has_none_wherever_it_lies() -> None:
    torch.manual_seed(0)
    mean = torch.cartesian_prod(3 + torch.randn(7).double(), 5 * torch.randn(5).double())
    batch = codes(mean, torch.tensor([0.1, 0.3]).double().expand(35, 2))
    assert TotalCorrelation()(batch, PRIOR).item() == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_batches_of_a_gaussian_channel_come_near_the_closed_form(correlation: float) -> None:
    """mean ~ N(0, S), z = mean + noise. The bias falls with n; here it is below 0.1 nats by the metric's own bound."""
    torch.manual_seed(0)
    signal = torch.tensor([[1.0, correlation], [correlation, 1.0]]).double()
    n, noise, repeats = 512, 0.5, 30
    values = []
    for _ in range(repeats):
        mean = MultivariateNormal(torch.zeros(2).double(), signal).sample((n,))
        batch = codes(mean, torch.full_like(mean, noise))._replace(dataset_size=100_000)
        values.append(TotalCorrelation()(batch, PRIOR))
    found = torch.stack(values)
    exact = gaussian_total_correlation(signal + noise * torch.eye(2).double())
    chi_square = torch.det(torch.eye(2).double() + signal / noise) - 1
    bias = math.log1p(float(chi_square) / n) + 2 * math.log1p(1 / noise / n)
    assert abs(found.mean() - exact) < bias + 5 * found.std() / math.sqrt(repeats)


def test_correlated_posteriors_use_their_basis() -> None:
    """A rotation of independent codes: one joint density, but other marginals."""
    torch.manual_seed(0)
    plain = codes(torch.randn(30, 2).double(), torch.tensor([0.05, 1.5]).double().expand(30, 2))
    angle = torch.tensor(0.7).double()
    rotation = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
    full = (rotation * plain.variance[0]) @ rotation.T
    turned = Codes(
        plain.z @ rotation.T,
        plain.mean @ rotation.T,
        full.diagonal().expand(30, 2),
        30,
        Basis(plain.variance, rotation, rotation.T),
    )
    joint = MultivariateNormal(turned.mean, full).log_prob(turned.z[:, None]).exp().mean(dim=1).log()
    marginals = Normal(turned.mean, turned.variance.sqrt()).log_prob(turned.z[:, None]).exp().mean(dim=1).log()
    expected = (joint - marginals.sum(dim=1)).mean()
    torch.testing.assert_close(TotalCorrelation()(turned, PRIOR), expected)


def test_codes_that_are_nan_are_passed_on() -> None:
    """A run stops at a loss that is nan, and says so."""
    assert TotalCorrelation()(codes(torch.full((3, 2), torch.nan), torch.ones(3, 2)), PRIOR).isnan()


def test_a_batch_of_one_has_none() -> None:
    batch = codes(torch.randn(1, 4).double(), torch.rand(1, 4).double() + 0.1)
    with pytest.raises(ValueError, match=r"^n=1: TotalCorrelation compares different codes; accepted: at least 2"):
        TotalCorrelation()(batch, PRIOR)


def test_descent_makes_the_dimensions_independent_and_leaves_their_scale() -> None:
    torch.manual_seed(0)
    n = 256
    mean = MultivariateNormal(torch.zeros(2), torch.tensor([[4.0, 3.0], [3.0, 4.0]])).sample((n,))
    mean.requires_grad_()
    optimizer = torch.optim.Adam([mean], lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        TotalCorrelation()(codes(mean, torch.full((n, 2), 0.25)), PRIOR).backward()
        optimizer.step()
    # The standard error of a correlation of independent draws is 1 / sqrt(n).
    assert abs(torch.corrcoef(mean.detach().T)[0, 1]) < 3 / math.sqrt(n)
    assert (mean.detach().var(dim=0) > 2).all()


def test_shuffling_keeps_the_marginals_and_breaks_the_dependence() -> None:
    torch.manual_seed(0)
    z = torch.randn(1000, 1).repeat(1, 3)
    mixed = shuffled(z)
    torch.testing.assert_close(mixed.sort(dim=0).values, z.sort(dim=0).values, rtol=0, atol=0)
    correlation = torch.corrcoef(mixed.T) - torch.eye(3)
    assert correlation.abs().max() < 5 / math.sqrt(1000)


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_a_trained_critic_finds_the_closed_form(correlation: float) -> None:
    torch.manual_seed(0)
    covariance = torch.tensor([[1.0, correlation], [correlation, 1.0]])
    q = MultivariateNormal(torch.zeros(2), covariance)
    divergence = TotalCorrelationDensityRatio(2, partial(torch.optim.Adam, lr=3e-3), hidden=[64])

    def batch(n: int) -> Codes:
        z = q.sample((n,))
        return Codes(z, z, torch.zeros_like(z), n)

    for _ in range(400):
        divergence.adapt(batch(512), PRIOR)
    n = 20_000
    exact = gaussian_total_correlation(covariance)
    independent = Independent(Normal(torch.zeros(2), torch.ones(2)), 1)
    z = q.sample((n,))
    spread = (q.log_prob(z) - independent.log_prob(z)).std().item()
    # The critic's own error was at most 0.03 nats over five seeds; a critic that has learned nothing is off by 0.51.
    assert abs(divergence(batch(n), PRIOR).item() - exact) < 0.1 + 5 * spread / math.sqrt(n)
