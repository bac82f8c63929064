"""Posteriors with dependent dimensions, against a model of which everything is known: factor analysis.

For z ~ N(0, I) and x ~ N(W z + b, s² I) the true posterior is a Gaussian whose precision P = I + WᵀW / s² isn't
diagonal. The ELBO of that posterior is log p(x). The best diagonal Gaussian has the variances 1 / P_kk, and its ELBO is
lower by KL(q(z|x) || p(z|x)) = (sum_k log P_kk - log det P) / 2.
"""

import json
import math
from pathlib import Path

import pytest
import torch
from conftest import TINY, Compose
from metrics.linear_gaussian import LinearGaussian as FactorAnalysis
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal, kl_divergence
from torch.quasirandom import SobolEngine

from infovae.codes import Codes, joined
from infovae.divergences.kl import KL
from infovae.divergences.mmd_standardized import null_deviation
from infovae.errors import ArgumentError
from infovae.evaluation.load import load
from infovae.evaluation.measure import measure
from infovae.metrics.aggregate_information import AggregateInformation
from infovae.metrics.annealed_importance import adapt_step_sizes, forward_log_likelihood, linear_schedule
from infovae.metrics.class_covariance import ClassCovariance
from infovae.metrics.hamiltonian import GeometricPath
from infovae.metrics.importance_weighted import importance_weighted_log_likelihood
from infovae.metrics.log_det_covariance import LogDetCovariance
from infovae.metrics.mmd import MMDToPrior
from infovae.model import codes_of
from infovae.objective import rate
from infovae.posteriors.diagonal_gaussian import DiagonalGaussian
from infovae.posteriors.full_gaussian import FullGaussian
from infovae.posteriors.iaf import IAF, Flow, standard_points
from infovae.posteriors.linear_gaussian import LinearGaussian
from infovae.posteriors.normalized import Normalized
from infovae.posteriors.posterior import Posterior
from infovae.priors.mixture import MixturePrior
from infovae.priors.standard_normal import StandardNormal
from infovae.training.run import train


def parameters_of(posterior: Posterior, d: int, n: int = 7, seed: int = 0) -> Tensor:
    """Encoder outputs of n examples."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, posterior.parameters_per_dimension * d, generator=generator).double()


def oracle_of(q: LinearGaussian) -> MultivariateNormal:
    root = q.matrix * q.scale[:, None, :]
    return MultivariateNormal(q.mean, root @ root.mT)


def curved(d: int, **options: int) -> IAF:
    """A flow whose maps are far from the identity and from linear, as after training."""
    flow = IAF(d, **options).double()
    for parameter in flow.parameters():
        nn.init.normal_(parameter, std=0.3)
    return flow.eval()


def exact(known: FactorAnalysis, x: Tensor, family: str) -> tuple[Posterior, Tensor]:
    """A posterior and the encoder outputs with which it is p(z|x); the flow has one linear map."""
    truth = known.posterior(x)
    root = truth.scale_tril
    d = root.shape[-1]
    scale = root.diagonal(dim1=1, dim2=2)
    row, column = torch.tril_indices(d, d, -1)
    if family == "full_gaussian":
        below = (root / scale[:, None, :])[:, row, column]
        unused = below.new_zeros(len(x), d * (d // 2) - len(row))
        return FullGaussian(d).double(), torch.cat([truth.mean, 2 * scale.log(), below, unused], dim=1)
    flow = IAF(d, transforms=1, hidden=()).double().eval()
    inner = root[0] / scale[0][:, None]  # the same for every x
    with torch.no_grad():
        flow.maps[0].hyper[-1].weight[2 * row, column] = inner[row, column]
    return flow, torch.cat([truth.mean, 2 * scale.log(), torch.zeros_like(scale)], dim=1)


FAMILIES = ["full_gaussian", "iaf"]


@pytest.mark.parametrize("d", [1, 4, 5])
def test_a_full_gaussian_is_the_multivariate_normal(d: int) -> None:
    posterior = FullGaussian(d)
    q = posterior(parameters_of(posterior, d))
    oracle = oracle_of(q)
    z = q.rsample(torch.Size([3]))
    torch.testing.assert_close(q.log_prob(z), oracle.log_prob(z))
    torch.testing.assert_close(q.variance, oracle.variance)
    prior = Independent(Normal(torch.full((d,), 0.5).double(), torch.arange(1, d + 1).double()), 1)
    full = MultivariateNormal(prior.mean, torch.diag(prior.variance))
    torch.testing.assert_close(kl_divergence(q, prior), kl_divergence(oracle, full))


def test_samples_of_a_full_gaussian_follow_its_covariance() -> None:
    posterior, n = FullGaussian(3), 40_000
    q = posterior(parameters_of(posterior, 3, n=1).expand(n, -1))
    z = posterior.reparameterize(q, torch.randn(n, 3).double())
    covariance = oracle_of(q).covariance_matrix[0]
    # Var of a sample covariance is (C_ii C_jj + C_ij²) / n; the bound is five standard errors.
    spread = ((torch.outer(covariance.diagonal(), covariance.diagonal()) + covariance.square()) / n).sqrt()
    assert ((torch.cov(z.T) - covariance).abs() < 5 * spread).all()


@pytest.mark.parametrize("family", [FullGaussian(3), curved(3)], ids=FAMILIES)
def test_gradients_reach_every_parameter_of_the_encoder(family: Posterior) -> None:
    noise = torch.randn(4, 3).double()

    def value(parameters: Tensor) -> Tensor:
        q = family(parameters)
        z = family.reparameterize(q, noise)
        return z.square().sum() + rate(q, StandardNormal(3).double().distribution(), z).sum() + q.variance.sum()

    assert torch.autograd.gradcheck(value, parameters_of(family, 3, n=4).requires_grad_())


@pytest.mark.parametrize("d", [1, 3])
def test_the_density_of_a_flow_is_that_of_its_samples(d: int) -> None:
    """By the change of variables with autograd's Jacobian, and again by inverting the flow."""
    flow = curved(d)
    q, noise = flow(parameters_of(flow, d, n=1)), torch.randn(5, d).double()
    for point in noise:
        z = flow.reparameterize(q, point[None])
        jacobian = torch.autograd.functional.jacobian(lambda e: flow.reparameterize(q, e[None])[0], point)
        expected = Normal(0.0, 1.0).log_prob(point).sum() - torch.linalg.slogdet(jacobian).logabsdet
        z = flow.reparameterize(q, point[None])
        torch.testing.assert_close(q.log_prob(z)[0], expected)
        torch.testing.assert_close(q.log_prob(z.clone())[0], expected)


def test_a_new_flow_is_the_diagonal_gaussian() -> None:
    flow, diagonal, noise = IAF(4).double(), DiagonalGaussian(), torch.randn(7, 4).double()
    parameters = parameters_of(flow, 4)
    plain = diagonal(parameters[:, :8])
    q = flow(parameters)
    torch.testing.assert_close(flow.reparameterize(q, noise), diagonal.reparameterize(plain, noise))
    # The moments of the points are those of the noise up to float32 and a jitter of 1e-6.
    torch.testing.assert_close(q.mean, plain.mean, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(q.variance, plain.variance, rtol=1e-5, atol=1e-5)


def test_moments_of_a_flow_are_those_of_many_samples() -> None:
    flow, n = curved(2, moment_points=1024), 100_000
    q = flow(parameters_of(flow, 2, n=1))
    z = q.sample(torch.Size([n]))[:, 0]
    deviation = z.std(dim=0)
    # Five standard errors of the samples, and as much as the 1,024 points are off: less than 64 independent draws.
    assert ((q.mean[0] - z.mean(dim=0)).abs() < 5 * deviation / math.sqrt(n) + 0.02 * deviation).all()
    assert ((q.variance[0] / z.var(dim=0) - 1).abs() < 0.05).all()
    torch.testing.assert_close(q.conditional.covariance().diagonal(), q.variance[0])


@pytest.mark.parametrize(("count", "d"), [(4, 1), (16, 4), (64, 10), (4, 10)])
def test_the_points_have_the_moments_of_the_noise(count: int, d: int) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    points = standard_points(count, d)
    assert torch.equal(before, torch.get_rng_state())
    assert points.mean(dim=0).abs().max() < 1e-6
    covariance = points.T @ points / count
    if count > d:
        assert (covariance - torch.eye(d)).abs().max() < 1e-5
    assert (covariance.diagonal() - 1).abs().max() < 1e-5


def test_the_points_are_scrambled_and_finite_at_the_ends_of_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    first = torch.special.ndtri(SobolEngine(2, scramble=True, seed=0).draw(8, dtype=torch.float64)[:, 0])
    expected = (first - first.mean()) / first.std(correction=0)
    torch.testing.assert_close(standard_points(8, 2)[:, 0].double(), expected, rtol=1e-4, atol=1e-4)
    ends = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.5, 1.0]], dtype=torch.float64)
    monkeypatch.setattr(SobolEngine, "draw", lambda *_, **__: ends)
    assert standard_points(3, 2).isfinite().all()


def test_every_second_map_of_a_flow_takes_the_dimensions_in_reverse() -> None:
    orders = [map_.order.tolist() for map_ in IAF(3, transforms=4).maps]
    assert orders == [[0, 1, 2], [2, 1, 0]] * 2


def test_the_density_of_a_sample_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """An inversion takes d passes of the networks."""
    flow = curved(3)
    q = flow(parameters_of(flow, 3))
    z = q.rsample()
    monkeypatch.setattr(q, "_chain", None)
    assert q.log_prob(z).shape == (7,)


def test_one_matrix_serves_every_example_or_each_has_its_own() -> None:
    matrices = torch.randn(4, 2, 2).double() + 3 * torch.eye(2)
    location, scale, noise = torch.randn(3, 4, 2).double()
    each = LinearGaussian(location, scale.exp(), matrices, torch.linalg.inv(matrices))
    for example in range(4):
        own = (matrices[example], torch.linalg.inv(matrices[example]))
        one = LinearGaussian(location, scale.exp(), *own)
        for q in (one, each):
            torch.testing.assert_close(q.transform(noise)[example], one.transform(noise)[example])
        for q in (one.take(torch.tensor([example])), each.take(torch.tensor([example]))):
            torch.testing.assert_close(q.transform(noise[[example]])[0], one.transform(noise)[example])
            torch.testing.assert_close(q.matrix.expand(1, 2, 2)[0], own[0])


def elbo(known: FactorAnalysis, x: Tensor, q: Distribution, z: Tensor) -> Tensor:
    """The ELBO of each x: in closed form for a Gaussian, by z ~ q(z|x) for a flow."""
    if isinstance(q, Flow):
        return known.decode(z).log_prob(x) - rate(q, known.prior, z)
    covariance = oracle_of(q).covariance_matrix if isinstance(q, LinearGaussian) else torch.diag_embed(q.variance)
    squares = (known.weight.T @ known.weight * covariance).sum(dim=(1, 2))
    return known.decode(q.mean).log_prob(x) - squares / (2 * known.scale**2) - rate(q, known.prior, z)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_true_posterior_has_an_elbo_of_log_p_x(family: str, d: int) -> None:
    known = FactorAnalysis.random(d, 6)
    _, x = known.simulate(20)
    posterior, parameters = exact(known, x, family)
    q, evidence = posterior(parameters), known.log_likelihood(x)
    z = posterior.reparameterize(q, torch.randn(20, d).double())
    torch.testing.assert_close(elbo(known, x, q, z), evidence)
    # At every z, and not on average alone.
    torch.testing.assert_close(known.decode(z).log_prob(x) + known.prior.log_prob(z) - q.log_prob(z), evidence)


@pytest.mark.parametrize("family", ["diagonal_gaussian", *FAMILIES])
def test_training_reaches_log_p_x_only_with_dependent_dimensions(family: str) -> None:
    known = FactorAnalysis(1 + torch.randn(8, 3).double(), torch.zeros(8).double(), 1.0)  # columns alike
    _, x = known.simulate(100)
    families = {"diagonal_gaussian": DiagonalGaussian(), "full_gaussian": FullGaussian(3), "iaf": IAF(3, 1, ())}
    posterior = families[family].double()
    encoder = nn.Linear(8, posterior.parameters_per_dimension * 3).double()
    truth = known.posterior(x[:1]).covariance_matrix[0]
    with torch.no_grad():  # the means start at their best, or learning them would take most steps
        encoder.weight.zero_()
        encoder.bias.zero_()
        encoder.weight[:3] = truth @ known.weight.T
    optimizer = torch.optim.Adam([*encoder.parameters(), *posterior.parameters()], lr=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 400)
    for _ in range(400):
        optimizer.zero_grad()
        q = posterior(encoder(x))
        z = posterior.reparameterize(q, torch.randn(100, 3).double())
        (-elbo(known, x, q, z).mean()).backward()
        optimizer.step()
        schedule.step()
    precision = torch.linalg.inv(truth)
    gap = 0.5 * float(precision.diagonal().log().sum() - torch.logdet(precision))
    assert gap > 0.5  # or the case tells nothing
    lost = float((known.log_likelihood(x) - elbo(known, x, q, z)).mean().detach())
    # What 100 samples of a flow vary by, sqrt(2 lost) / 10, is below 0.02 where training has lost 0.02.
    assert lost == pytest.approx(gap if family == "diagonal_gaussian" else 0, abs=0.05)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_information_of_factor_analysis_is_enclosed(family: str) -> None:
    """q(z) is N(0, I) for the true posterior, so I(x; z) = log det P / 2 nats, KL(q || p) = 0 and log det Cov = 0."""
    known, n, d = FactorAnalysis.random(2, 5, scale=1.0), 1000, 2
    _, x = known.simulate(n)
    posterior, parameters = exact(known, x, family)
    q = posterior.requires_grad_(False)(parameters)
    z = posterior.reparameterize(q, torch.randn(n, d).double())
    codes, prior = codes_of(q, z, n), StandardNormal(d).double()
    metric, determinant = AggregateInformation(prior, n, 300), LogDetCovariance(prior)
    for start in range(0, n, 400):
        part = codes.take(slice(start, start + 400))
        metric.update(part)
        determinant.update(part)
    measured = metric.compute()
    information = 0.5 * float(torch.logdet(known.posterior(x[:1]).precision_matrix[0]))
    error = 4.5 * float(measured["mutual_information_leave_one_out_standard_error"])
    assert float(measured["mutual_information"]) < information + error
    assert float(measured["mutual_information_leave_one_out"]) > information - error
    assert float(measured["mutual_information_leave_one_out"] - measured["mutual_information"]) < 0.1
    assert float(measured["aggregate_kl_leave_one_out"]) < error
    # log det of a sample covariance has a standard error of sqrt(2 d / n).
    assert abs(float(determinant.compute()["log_det_covariance"])) < 4.5 * math.sqrt(2 * d / n)
    # The batch is the data set: the minibatch estimate of the KL is that of the exact mixture.
    part = codes.take(slice(0, 200))._replace(dataset_size=200)
    whole = AggregateInformation(prior, 200, 200)
    whole.update(part)
    torch.testing.assert_close(KL()(part, prior), whole.compute()["aggregate_kl"])
    if family == "iaf":
        assert measured["total_correlation"].isnan()
        assert metric.reason == "the dimensions of this q(z|x) have no density in closed form"
    else:
        assert measured["total_correlation"].isfinite()


@pytest.mark.parametrize("family", FAMILIES)
def test_importance_weights_of_the_true_posterior_are_all_equal(family: str) -> None:
    known = FactorAnalysis.random(2, 5)
    _, x = known.simulate(6)
    posterior, parameters = exact(known, x, family)
    with torch.no_grad():
        estimate = importance_weighted_log_likelihood(x, known.decode, known.prior, posterior(parameters), 4)
    torch.testing.assert_close(estimate.value, known.log_likelihood(x))
    assert estimate.standard_error.max() < 1e-9


@pytest.mark.parametrize("family", FAMILIES)
def test_annealing_starts_from_these_posteriors(family: str) -> None:
    known = FactorAnalysis.random(2, 5)
    _, x = known.simulate(3)
    posterior, parameters = exact(known, x, family)
    path = GeometricPath(x, known.decode, known.prior, posterior(parameters))
    schedule = linear_schedule(3)
    estimate, _ = forward_log_likelihood(path, schedule, adapt_step_sizes(path, schedule, 2, 2), 2)
    torch.testing.assert_close(estimate.value, known.log_likelihood(x))


@pytest.mark.parametrize("family", [FullGaussian(3), curved(3)], ids=FAMILIES)
def test_codes_keep_each_example_s_own_posterior(family: Posterior) -> None:
    q = family(parameters_of(family, 3))
    codes = codes_of(q, family.reparameterize(q, torch.randn(7, 3).double()), 7)
    whole = codes.density()(codes.z)
    # A flow's sample remembers its own density; here each pair is inverted.
    expected = torch.stack([family(parameters_of(family, 3)[[j]]).log_prob(codes.z) for j in range(7)], dim=1)
    torch.testing.assert_close(whole, expected)
    again = joined([codes.take(slice(0, 3)), codes.take(torch.arange(3, 7)).detach()])
    torch.testing.assert_close(again.density()(codes.z), whole)
    torch.testing.assert_close(again.covariance(), codes.covariance())
    chosen = torch.tensor([5, 1, 5])
    torch.testing.assert_close(q.take(chosen).mean, q.mean[chosen])
    torch.testing.assert_close(q.take(chosen).variance, q.variance[chosen])


@pytest.mark.parametrize("normalization", ["diagonal", "cholesky", "zca"])
def test_a_full_gaussian_can_be_whitened(normalization: str) -> None:
    base = FullGaussian(3)
    posterior = Normalized(base, 3, normalization).double()
    parameters = 2 * parameters_of(base, 3, n=30) + 1
    q = posterior.forward_training(parameters, 30)
    oracle = oracle_of(q)
    covariance = oracle.covariance_matrix.mean(dim=0) + torch.cov(q.mean.T, correction=0)
    assert (covariance.diagonal() - 1).abs().max() < 1e-4
    if normalization != "diagonal":
        assert (covariance - torch.eye(3)).abs().max() < 1e-4
    z = q.rsample()
    torch.testing.assert_close(q.log_prob(z), oracle.log_prob(z))
    posterior.calibrate(parameters.split(7))
    torch.testing.assert_close(posterior(parameters).variance, q.variance)
    classes = ClassCovariance()
    classes.update(codes_of(q, z, 30), torch.zeros(30, dtype=torch.int64))
    expected = oracle.covariance_matrix.mean(dim=0) + torch.cov(q.mean.T)
    torch.testing.assert_close(
        classes.compute()["log_det_covariance_by_class"][0], torch.linalg.slogdet(expected).logabsdet
    )


def test_a_flow_can_t_be_whitened() -> None:
    with pytest.raises(ArgumentError, match="base=IAF: it is neither Gaussian nor a point mass; accepted: "):
        Normalized(IAF(2), 2)


@pytest.mark.parametrize("family", [FullGaussian(2), curved(2)], ids=FAMILIES)
def test_a_prior_of_these_posteriors_draws_from_its_density(family: Posterior) -> None:
    class Mixture(MixturePrior):
        def components(self) -> Distribution:
            return family(parameters_of(family, 2, n=3))

    prior, n = Mixture(2), 4000
    z = prior.sample(n)
    weights = torch.stack([q.log_prob(z) for q in map(prior.components().take, torch.arange(3)[:, None])])
    torch.testing.assert_close(prior.log_prob(z), weights.logsumexp(dim=0) - math.log(3))
    # E_p[score] is 0 for every density that falls off: five standard errors.
    score = prior.score(z)
    assert (score.mean(dim=0).abs() < 5 * score.std(dim=0) / math.sqrt(n)).all()


@pytest.mark.parametrize("family", [FullGaussian(2), curved(2)], ids=FAMILIES)
def test_half_precision_around_it_changes_nothing(family: Posterior) -> None:
    family = family.float()
    parameters, noise = parameters_of(family, 2).float(), torch.randn(7, 2)

    def values() -> tuple[Tensor, Tensor, Tensor]:
        q = family(parameters)
        z = family.reparameterize(q, noise)
        return z, q.log_prob(z), q.variance

    plain = values()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for ours, expected in zip(values(), plain, strict=True):
            assert torch.equal(ours, expected)
    family, parameters, noise = family.double(), parameters.double(), noise.double()
    for ours, exact in zip(plain, values(), strict=True):
        torch.testing.assert_close(ours.double(), exact, rtol=1e-4, atol=1e-4)  # half precision knows 3 digits


@pytest.mark.parametrize(
    ("options", "why"),
    [({"transforms": 0}, "transforms=0"), ({"moment_points": 3}, "moment_p"), ({"hidden": [0]}, r"hidden=\[0\]")],
)
def test_flows_without_maps_or_points_are_refused(options: dict[str, int], why: str) -> None:
    with pytest.raises(ArgumentError, match=f"{why}.*accepted: .*whole numbers of at least"):
        IAF(2, **options)


def test_a_single_code_of_one_dimension() -> None:
    for family in (FullGaussian(1), IAF(1).double()):
        q = family(parameters_of(family, 1, n=1))
        codes = codes_of(q, family.reparameterize(q, torch.zeros(1, 1).double()), 1)
        assert isinstance(codes, Codes)
        torch.testing.assert_close(codes.density()(codes.z), q.log_prob(codes.z)[:, None])
        torch.testing.assert_close(codes.covariance(), q.variance)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_resumes_to_the_same_weights_and_measures_itself(composed: Compose, tmp_path: Path, family: str) -> None:
    overrides = [*TINY, f"posterior={family}", "metrics=[log_det_covariance,mmd]", "pictures=[]"]
    train(composed(*overrides, "trainer.max_epochs=2", run_dir=tmp_path / "whole"))
    train(composed(*overrides, "trainer.max_epochs=1", run_dir=tmp_path / "cut"))
    train(composed(*overrides, "trainer.max_epochs=2", "resume=auto", run_dir=tmp_path / "cut"))
    whole, cut = load(tmp_path / "whole"), load(tmp_path / "cut")
    for name, weight in whole.module.state_dict().items():
        assert torch.equal(cut.module.state_dict()[name], weight), name
    measured = measure(whole.module, whole.data, {"log_det_covariance": LogDetCovariance, "mmd": MMDToPrior}).values
    summary = json.loads((tmp_path / "whole" / "summary.json").read_text())["metrics"]
    # The covariance doesn't depend on the noise of the codes; the MMD is of other draws.
    assert measured["test/log_det_covariance"] == pytest.approx(summary["test/log_det_covariance"], abs=1e-4)
    assert measured["test/mmd_standardized"] == pytest.approx(
        measured["test/mmd"] / null_deviation(len(whole.data.splits["test"].x), 2, 2.0)
    )


def test_what_the_encoder_is_asked_for() -> None:
    assert [FullGaussian(d).parameters_per_dimension for d in (1, 2, 3, 4)] == [2, 3, 3, 4]
    assert IAF(2).parameters_per_dimension == 3
    assert FullGaussian(2).has_density
    assert IAF(2).has_density
    assert IAF(2)(torch.zeros(1, 6)).has_rsample
    assert not IAF(2).state_dict().keys() & {"points", "training_points"}
