"""Whitened posteriors: moments of q(z), densities, gradients, and what is stored for evaluation."""

import copy
import csv
import json
import math
from pathlib import Path

import pytest
import torch
from conftest import Compose
from torch import Tensor
from torch.distributions import Distribution, Independent, Laplace, MultivariateNormal, Normal, kl_divergence

from infovae.codes import Codes, joined
from infovae.divergences.kl import KL
from infovae.errors import ArgumentError, UserError
from infovae.evaluation.load import load
from infovae.evaluation.measure import measure
from infovae.metrics.aggregate_information import AggregateInformation
from infovae.metrics.class_covariance import ClassCovariance
from infovae.metrics.log_det_covariance import LogDetCovariance
from infovae.metrics.sampled_log_det_covariance import SampledLogDetCovariance
from infovae.model import codes_of
from infovae.objective import rates_of_dimensions
from infovae.posteriors.deterministic import Deterministic
from infovae.posteriors.diagonal_gaussian import DiagonalGaussian
from infovae.posteriors.linear_gaussian import LinearGaussian
from infovae.posteriors.normalized import Normalized
from infovae.posteriors.posterior import sample_posterior
from infovae.posteriors.whitening import whitening
from infovae.priors.standard_normal import StandardNormal
from infovae.training.run import train

NORMALIZATIONS = ["diagonal", "cholesky", "zca"]


def encoder_output(n: int, d: int, seed: int = 0) -> Tensor:
    """Means with another scale in each dimension, correlated and far from 0, and log-variances."""
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(n, d, generator=generator) @ torch.randn(d, d, generator=generator) * torch.arange(1, d + 1) + 30
    return torch.cat([mean, torch.randn(n, d, generator=generator) - 1], dim=1)


def moments(posterior: Distribution) -> tuple[Tensor, Tensor]:
    """Exact mean and covariance of q(z), by the law of total covariance."""
    if isinstance(posterior, LinearGaussian):
        root = posterior.matrix * posterior.scale[:, None, :]
        within = (root @ root.mT).mean(dim=0)
    else:
        within = torch.diag(posterior.variance.mean(dim=0))
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
@pytest.mark.parametrize("d", [1, 3])
def test_the_training_set_gets_the_size_it_is_to_have(normalization: str, d: int) -> None:
    parameters = encoder_output(101, d).double()
    sizes = []
    for log_det in (0.0, 0.4):
        posterior = Normalized(DiagonalGaussian(), d, normalization, log_det).double()
        posterior.calibrate(parameters.split(25))
        mean, covariance = moments(posterior(parameters))
        assert mean.abs().max() < 1e-9
        sizes.append(float(covariance.logdet()))
    assert math.isclose(sizes[1] - sizes[0], 0.4, abs_tol=1e-9)
    for refused in (math.nan, -1e4):
        with pytest.raises(ArgumentError, match=r"log_det=.*: .*accepted: values from -50 to 50"):
            Normalized(DiagonalGaussian(), d, normalization, refused)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_densities_and_rate_are_those_of_a_full_gaussian(normalization: str) -> None:
    posterior = Normalized(DiagonalGaussian(), 3, normalization).double()
    q = posterior.forward_training(encoder_output(20, 3).double(), 20)
    oracle = MultivariateNormal(q.mean, torch.diag_embed(q.variance))
    if normalization != "diagonal":
        root = q.matrix * q.scale[:, None, :]
        oracle = MultivariateNormal(q.mean, root @ root.mT)
    z = q.rsample(torch.Size([5]))
    torch.testing.assert_close(q.log_prob(z), oracle.log_prob(z))
    torch.testing.assert_close(q.variance, oracle.variance)
    prior = Independent(Normal(torch.full((3,), 0.5).double(), torch.tensor([1.0, 2.0, 0.5]).double()), 1)
    full = MultivariateNormal(prior.mean, torch.diag(prior.variance))
    torch.testing.assert_close(kl_divergence(q, prior), kl_divergence(oracle, full))


def test_another_prior_has_no_closed_form() -> None:
    q = Normalized(DiagonalGaussian(), 3).forward_training(encoder_output(20, 3), 20)
    zeros, ones = torch.zeros(20, 3), torch.ones(20, 3)
    for prior in (Independent(Laplace(zeros[0], ones[0]), 1), Independent(Normal(zeros[:, None], ones[:, None]), 2)):
        with pytest.raises(NotImplementedError):
            kl_divergence(q, prior)


def test_nan_of_an_encoder_gives_a_rate_of_nan() -> None:
    nan, eye = torch.full((2, 3), math.nan), torch.eye(3)
    q = LinearGaussian(nan, nan, eye, eye)
    assert q.has_rsample
    assert kl_divergence(q, StandardNormal(3).distribution()).isnan().all()


def test_autocast_leaves_moments_and_maps_in_float32() -> None:
    parameters = encoder_output(50, 3)
    posterior = Normalized(DiagonalGaussian(), 3)
    posterior.calibrate([parameters])
    plain = [posterior.forward_training(parameters, 50), posterior(parameters)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = [posterior.forward_training(parameters, 50), posterior(parameters)]
    noise = torch.randn(50, 3)
    for q, expected in zip(mixed, plain, strict=True):
        assert q.mean.dtype == torch.float32
        assert torch.equal(q.mean, expected.mean)
        assert torch.equal(q.matrix, expected.matrix)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            z, variance = q.transform(noise), q.variance
            density = q.log_prob(z)
        assert torch.equal(z, expected.transform(noise))
        assert torch.equal(variance, expected.variance)
        assert torch.equal(density, expected.log_prob(z))
    exact = copy.deepcopy(posterior).double().forward_training(parameters.double(), 50)
    torch.testing.assert_close(plain[0].mean, exact.mean.float(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize(("n", "d"), [(4, 10), (16, 32), (32, 64), (16, 128)])
def test_fewer_points_than_dimensions_have_a_finite_map(normalization: str, n: int, d: int) -> None:
    for seed in range(20):
        points = torch.randn(n, d, generator=torch.Generator().manual_seed(seed)).requires_grad_()
        z = Normalized(Deterministic(), d, normalization).forward_training(points, n).mean
        z.square().mean().backward()
        assert z.isfinite().all()
        assert points.grad is not None
        assert points.grad.isfinite().all()


@pytest.mark.parametrize("model", ["wae_mmd", "autoencoder"])
def test_batches_too_small_to_whiten_points_are_refused(composed: Compose, tmp_path: Path, model: str) -> None:
    settings = ["data=digits", f"model={model}", "posterior=normalized_deterministic", "latent_dim=32"]
    why = "batches of 32 are too small for a normalised Deterministic posterior; accepted: .* at least 33"
    with pytest.raises(UserError, match=rf"^data.batch_size=32: {why}$"):
        train(composed(*settings, "data.batch_size=32", run_dir=tmp_path))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_moments_that_are_not_finite_give_a_map_of_nan(normalization: str) -> None:
    for broken in (math.nan, math.inf):
        map_ = whitening(torch.zeros(2), torch.diag(torch.tensor([1.0, broken])), normalization)  # type: ignore[arg-type]
        assert map_.matrix.isnan().any() or map_.inverse.isinf().any()


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_a_dimension_far_smaller_than_the_others_is_normalised_too(normalization: str) -> None:
    covariance = torch.diag(torch.tensor([1.0, 1e-7, 1e5], dtype=torch.float64))
    map_ = whitening(torch.zeros(3).double(), covariance, normalization)  # type: ignore[arg-type]
    torch.testing.assert_close(map_.matrix @ covariance @ map_.matrix.T, torch.eye(3).double(), rtol=0, atol=1e-4)


def test_scaled_dimensions_stay_independent() -> None:
    """So the rate has dimensions, and free bits can be given to each."""
    q = Normalized(DiagonalGaussian(), 3, "diagonal").forward_training(encoder_output(50, 3), 50)
    prior = StandardNormal(3).distribution()
    assert isinstance(q, Independent)
    scaled = LinearGaussian(q.mean, q.stddev, torch.eye(3), torch.eye(3))
    torch.testing.assert_close(rates_of_dimensions(q, prior).sum(dim=1), kl_divergence(scaled, prior))


def test_each_normalization_has_its_own_shape() -> None:
    root = torch.randn(3, 3, dtype=torch.float64)
    matrices = {
        name: whitening(torch.zeros(3).double(), root @ root.T, name).matrix  # type: ignore[arg-type]
        for name in NORMALIZATIONS
    }
    torch.testing.assert_close(matrices["diagonal"], matrices["diagonal"].diagonal().diag())
    torch.testing.assert_close(matrices["cholesky"], matrices["cholesky"].tril())
    torch.testing.assert_close(matrices["zca"], matrices["zca"].T)
    assert not torch.allclose(matrices["cholesky"], matrices["cholesky"].T)
    assert Normalized(Deterministic(), 3).needs_calibration


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


def whitened_codes(n: int = 60) -> tuple[Codes, MultivariateNormal]:
    """Codes of a Cholesky-normalised posterior in float64, and the same posterior as torch's own distribution."""
    torch.manual_seed(0)
    q = Normalized(DiagonalGaussian(), 3).double().forward_training(encoder_output(n, 3).double(), n)
    root = q.matrix * q.scale[:, None, :]
    return codes_of(q, q.rsample(), n), MultivariateNormal(q.mean, root @ root.mT)


def test_the_minibatch_density_knows_the_full_covariance() -> None:
    codes, oracle = whitened_codes()
    log_aggregate = oracle.log_prob(codes.z[:, None]).logsumexp(dim=1) - math.log(60)  # the batch is the data set
    prior = StandardNormal(3).double()
    expected = (log_aggregate - prior.log_prob(codes.z)).mean()
    torch.testing.assert_close(KL()(codes, prior), expected)
    part = codes.take(slice(0, 20))
    again = joined([part, codes.take(slice(20, 60))])
    torch.testing.assert_close(KL()(again, prior), expected)


def test_metrics_know_the_full_covariance() -> None:
    codes, oracle = whitened_codes()
    conditional = oracle.log_prob(codes.z)
    log_aggregate = oracle.log_prob(codes.z[:, None]).logsumexp(dim=1) - math.log(60)
    information = AggregateInformation(StandardNormal(3).double())
    determinant, classes = LogDetCovariance(StandardNormal(3)), ClassCovariance()
    sampled = SampledLogDetCovariance(StandardNormal(3))
    for start in range(0, 60, 25):
        part = codes.take(slice(start, start + 25))
        information.update(part)
        determinant.update(part)
        sampled.update(part)
        classes.update(part, torch.zeros(len(part.z), dtype=torch.int64))
    measured = information.compute()
    torch.testing.assert_close(measured["mutual_information"], (conditional - log_aggregate).mean())
    torch.testing.assert_close(
        measured["aggregate_kl"], (log_aggregate - StandardNormal(3).double().log_prob(codes.z)).mean()
    )
    covariance = oracle.covariance_matrix.mean(dim=0) + torch.cov(codes.mean.T)
    expected = torch.linalg.slogdet(covariance).logabsdet
    torch.testing.assert_close(determinant.compute()["log_det_covariance"], expected)
    from_z = torch.linalg.slogdet(torch.cov(codes.z.T)).logabsdet
    torch.testing.assert_close(sampled.compute()["sampled_log_det_covariance"], from_z)
    torch.testing.assert_close(classes.compute()["log_det_covariance_by_class"], expected[None])


def test_a_run_holds_q_at_the_prior(composed: Compose, tmp_path: Path) -> None:
    overrides = ["data=digits", "posterior=normalized_gaussian", "latent_dim=3", "trainer.max_epochs=2"]
    train(composed(*overrides, "logger=none", "trainer.accelerator=cpu", run_dir=tmp_path / "run"))
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").open()))
    # Cov[mean(x)] divides by n - 1 in the metric and by n in the moments: 3 (n/(n-1) - 1) at most, plus the jitter.
    assert all(abs(float(row["train/log_det_covariance"])) < 0.01 for row in rows)
    run = load(tmp_path / "run")
    values = measure(run.module, run.data, {"log_det_covariance": LogDetCovariance}, "test").values
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert math.isclose(values["test/log_det_covariance"], summary["metrics"]["test/log_det_covariance"], abs_tol=1e-4)


def test_a_prior_of_posteriors_is_refused(composed: Compose, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"prior=Vamp: it consists of posteriors.*accepted: another prior, or another"):
        train(composed("data=digits", "posterior=normalized_gaussian", "prior=vamp", run_dir=tmp_path / "run"))
