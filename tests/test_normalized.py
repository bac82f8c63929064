"""Whitened posteriors: moments of q(z), densities, gradients, and what is stored for evaluation."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from infovae.posteriors.deterministic import Deterministic
from infovae.posteriors.diagonal_gaussian import DiagonalGaussian
from infovae.posteriors.linear_gaussian import LinearGaussian
from infovae.posteriors.normalized import Normalized
from infovae.posteriors.posterior import sample_posterior
from infovae.posteriors.whitening import whitening

NORMALIZATIONS = ["diagonal", "cholesky", "zca"]


def encoder_output(n: int, d: int, seed: int = 0) -> Tensor:
    """Means with another scale in each dimension, correlated and far from 0, and log-variances."""
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(n, d, generator=generator) @ torch.randn(d, d, generator=generator) * torch.arange(1, d + 1) + 30
    return torch.cat([mean, torch.randn(n, d, generator=generator) - 1], dim=1)


def moments(posterior: LinearGaussian) -> tuple[Tensor, Tensor]:
    """Exact mean and covariance of q(z), by the law of total covariance."""
    root = posterior.matrix * posterior.scale[:, None, :]
    within = (root @ root.mT).mean(dim=0)
    return posterior.mean.mean(dim=0), torch.cov(posterior.mean.T, correction=0) + within


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("d", [1, 4])
def test_a_batch_has_mean_0_and_covariance_i(normalization: str, d: int) -> None:
    posterior = Normalized(DiagonalGaussian(), d, normalization).double()
    mean, covariance = moments(posterior.forward_training(encoder_output(50, d).double(), 50))
    assert mean.abs().max() < 1e-9
    assert (covariance.diagonal() - 1).abs().max() < 2e-6 * d * 100  # the jitter, on the smallest variance
    if normalization != "diagonal":
        assert (covariance - torch.eye(d)).abs().max() < 2e-4


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_stored_moments_are_those_of_all_batches(normalization: str) -> None:
    parameters = encoder_output(101, 3).double()
    posterior = Normalized(DiagonalGaussian(), 3, normalization).double()
    posterior.calibrate(parameters.split(25))  # the last batch has one example
    whole = posterior.forward_training(parameters, 101)
    stored = posterior(parameters)
    torch.testing.assert_close(stored.mean, whole.mean)
    torch.testing.assert_close(stored.variance, whole.variance)
    before = posterior.state_dict()
    posterior.train().forward_training(encoder_output(20, 3, seed=1).double(), 20)
    for name, value in posterior.state_dict().items():
        assert torch.equal(value, before[name])  # a stray forward pass moves nothing


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_densities_and_rate_are_those_of_a_full_gaussian(normalization: str) -> None:
    posterior = Normalized(DiagonalGaussian(), 3, normalization).double()
    q = posterior.forward_training(encoder_output(20, 3).double(), 20)
    root = q.matrix * q.scale[:, None, :]
    oracle = MultivariateNormal(q.mean, root @ root.mT)
    z = q.rsample(torch.Size([5]))
    torch.testing.assert_close(q.log_prob(z), oracle.log_prob(z))
    torch.testing.assert_close(q.variance, oracle.variance)
    prior = Independent(Normal(torch.full((3,), 0.5).double(), torch.tensor([1.0, 2.0, 0.5]).double()), 1)
    full = MultivariateNormal(prior.mean, torch.diag(prior.variance))
    torch.testing.assert_close(kl_divergence(q, prior), kl_divergence(oracle, full))


def test_samples_follow_the_covariance() -> None:
    torch.manual_seed(0)
    q = Normalized(DiagonalGaussian(), 3).double().forward_training(encoder_output(20, 3).double(), 20)
    n = 40_000
    z = q.rsample(torch.Size([n]))[:, 0]
    root = q.matrix * q.scale[0]
    covariance = root @ root.T
    # Var of a sample covariance is (C_ii C_jj + C_ij²) / n; the bound is five standard errors.
    spread = ((torch.outer(covariance.diagonal(), covariance.diagonal()) + covariance.square()) / n).sqrt()
    assert ((torch.cov(z.T) - covariance).abs() < 5 * spread).all()
    noise = torch.randn(20, 3).double()
    torch.testing.assert_close(sample_posterior(q, noise), q.mean + (q.scale * noise) @ q.matrix.T)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_gradients_pass_through_the_moments(normalization: str) -> None:
    posterior = Normalized(DiagonalGaussian(), 3, normalization).double()
    weights = torch.randn(12, 3, generator=torch.Generator().manual_seed(1)).double()

    def value(parameters: Tensor) -> Tensor:
        q = posterior.forward_training(parameters, 12)
        return (q.mean * weights).sum() + (q.variance * weights).sum()

    assert torch.autograd.gradcheck(value, encoder_output(12, 3).double().requires_grad_())


def test_zca_has_a_gradient_where_eigenvalues_are_equal() -> None:
    covariance = (2 * torch.eye(3)).double().requires_grad_()
    whitening(torch.zeros(3).double(), covariance, "zca").matrix.sum().backward()
    # d C^(-1/2) = -1/2 · 2^(-3/2) dC at C = 2 I, and the gradient of a sum is all ones.
    torch.testing.assert_close(covariance.grad, torch.full((3, 3), -0.5 * 2**-1.5).double(), rtol=1e-4, atol=1e-5)


def test_points_are_normalised_too() -> None:
    posterior = Normalized(Deterministic(), 3).double()
    q = posterior.forward_training(encoder_output(40, 3)[:, :3].double(), 40)
    assert not posterior.has_density
    assert (torch.cov(q.mean.T, correction=0) - torch.eye(3)).abs().max() < 1e-3
    assert not q.variance.any()


@pytest.mark.parametrize("base", [DiagonalGaussian(), Deterministic()], ids=["gaussian", "points"])
def test_a_batch_of_one_is_finite(base: DiagonalGaussian | Deterministic) -> None:
    posterior = Normalized(base, 2)
    q = posterior.forward_training(torch.ones(1, 2 * base.parameters_per_dimension), 1)
    assert q.mean.abs().max() == 0
    if posterior.has_density:
        assert math.isclose(float(q.log_volume), 0, abs_tol=1e-4)
