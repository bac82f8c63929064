"""Whoever draws a code draws it by the posterior's own rule: training, validation, evaluation and pictures."""

import math
from collections import ChainMap

import pytest
import torch
from conftest import SMALL, Compose
from jaxtyping import Float
from pytorch_lightning import Trainer
from torch import Tensor
from torch.distributions import Distribution, Gamma, Independent, Laplace, MultivariateNormal, Normal

from infovae.autoencoder.compatibility import check_parts
from infovae.codes import NO_DENSITY
from infovae.data.module import DataModule
from infovae.divergences.kl import KL
from infovae.errors import ArgumentError
from infovae.evaluation.measure import draw, measure, observe
from infovae.metrics.aggregate_information import AggregateInformation
from infovae.metrics.covariance import UNKNOWN
from infovae.metrics.log_det_covariance import LogDetCovariance
from infovae.metrics.reconstruction import Reconstruction
from infovae.model import Model, Observed, codes_of, sample_codes
from infovae.module import InfoVAE
from infovae.objective import Objective, rate
from infovae.pictures.picture import Picture
from infovae.posteriors.deterministic import Deterministic
from infovae.posteriors.diagonal_gaussian import DiagonalGaussian
from infovae.posteriors.point_mass import PointMass
from infovae.posteriors.posterior import Posterior, sample_posterior
from infovae.priors.standard_normal import StandardNormal
from infovae.training.assemble import build_data, build_module

CODEBOOK = 0.5 * torch.arange(-4.0, 5.0)


class VectorQuantized(Posterior):
    """z is the codebook's nearest entry to mean(x), in each dimension: nothing of it shows in the moments."""

    parameters_per_dimension = 1
    has_density = False

    def forward(self, parameters: Float[Tensor, "n k"]) -> Distribution:
        return PointMass(parameters)

    def reparameterize(self, distribution: Distribution, noise: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        nearest = CODEBOOK[(distribution.mean[..., None] - CODEBOOK).abs().argmin(dim=-1)]
        return distribution.mean + (nearest - distribution.mean).detach()


class LaplacePosterior(Posterior):
    """A density of one's own, drawn by the inverse of its distribution function."""

    parameters_per_dimension = 2
    has_density = True

    def forward(self, parameters: Float[Tensor, "n k"]) -> Distribution:
        location, log_scale = parameters.chunk(2, dim=-1)
        return Independent(Laplace(location, log_scale.exp(), validate_args=False), 1, validate_args=False)

    def reparameterize(self, distribution: Distribution, noise: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        assert isinstance(distribution, Independent)
        base = distribution.base_dist
        # |z - location| is exponential: minus the log of twice the normal's tail beyond |noise|.
        away = -torch.special.log_ndtr(-noise.abs()) - math.log(2)
        return base.loc + base.scale * noise.sign() * away


def subject(composed: Compose, posterior: Posterior) -> tuple[InfoVAE, DataModule]:
    """A model at alpha = 1 with this posterior, not trained: its scales differ from example to example."""
    family = "diagonal_gaussian" if posterior.has_density else "deterministic"
    cfg = composed(*SMALL, "model=mmd_vae", f"posterior={family}", "latent_dim=3")
    data = build_data(cfg)
    module = build_module(cfg, data)
    module.posterior = posterior
    with torch.no_grad():
        module.decoder.layers[0].weight.mul_(30)  # so that images tell one code from another, as after training
    return module.eval(), data


@pytest.mark.parametrize("posterior", [VectorQuantized(), LaplacePosterior()], ids=["vector_quantized", "laplace"])
def test_validation_and_evaluation_agree_on_a_posterior_of_ones_own(composed: Compose, posterior: Posterior) -> None:
    module, data = subject(composed, posterior)
    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False)
    validated = ChainMap(*trainer.validate(module, data.val_dataloader(), verbose=False))
    metrics, key = {"reconstruction": Reconstruction}, "validation/reconstruction"
    evaluated = torch.tensor([measure(module, data, metrics, "validation", seed).values[key] for seed in range(10)])
    # Validation's noise is one more draw beside these ten; what sums of 784 pixels round to comes on top.
    tolerance = 6 * evaluated.std() * math.sqrt(1 + 1 / 10) + 784 * torch.finfo(torch.float32).eps * evaluated.mean()
    assert abs(validated[key] - evaluated.mean()) < tolerance


def test_evaluation_sees_the_codes_of_the_codebook(composed: Compose) -> None:
    model, data = subject(composed, VectorQuantized())
    for observed in observe(model, data, "test", seed=0):
        assert torch.isin(observed.codes.z, CODEBOOK).all()


def test_training_and_pictures_see_the_codes_of_the_codebook(composed: Compose) -> None:
    module, data = subject(composed, VectorQuantized())
    seen: list[Tensor] = []

    class Seen(Picture):
        def draw(self, model: Model, observed: Observed) -> None:
            seen.append(observed.codes.z)

    draw(module, data, {"seen": Seen(examples=50)})
    decode = module.decode
    module.decode = lambda z: (seen.append(z.detach()), decode(z))[1]
    module.train().step(next(iter(data.evaluation_loader("train"))), dataset_size=1)
    assert len(seen) == 2
    for z in seen:
        assert (z[..., None] - CODEBOOK).abs().amin(dim=-1).max() < 1e-6  # mean + (nearest - mean) rounds


def test_evaluation_draws_from_the_posterior_s_own_law(composed: Compose) -> None:
    """E|z - location| is the scale of a Laplace; a Gaussian of the same variance has 1.128 of it."""
    model, data = subject(composed, LaplacePosterior())
    ratios = []
    for observed in observe(model, data, "test", seed=0):
        scale = (observed.codes.variance / 2).sqrt()
        ratios.append(((observed.codes.z - observed.codes.mean) / scale).abs().flatten())
    ratio = torch.cat(ratios)  # exponential of mean and deviation 1
    assert abs(ratio.mean() - 1) < 5 / math.sqrt(len(ratio))


def test_a_sample_is_a_function_of_the_noise(composed: Compose) -> None:
    model, data = subject(composed, LaplacePosterior())
    images = next(iter(data.evaluation_loader("test"))).x
    noise = torch.randn(len(images), 3)
    whole = sample_codes(model, images, noise, len(images)).z
    torch.manual_seed(8)
    again = sample_codes(model, images, noise, len(images)).z
    assert torch.equal(whole, again)
    assert torch.equal(whole, model.reparameterize(model.encode(images), noise))


def test_the_familiar_posteriors_need_no_rule_of_their_own() -> None:
    parameters, noise = torch.randn(2, 5, 6)
    noise = noise[:, :3]
    gaussian = DiagonalGaussian()
    torch.testing.assert_close(
        gaussian.reparameterize(gaussian(parameters), noise),
        parameters[:, :3] + (parameters[:, 3:] / 2).exp() * noise,
    )
    point = Deterministic()
    assert torch.equal(point.reparameterize(point(parameters[:, :3]), noise), parameters[:, :3])


@pytest.mark.parametrize("plain", [True, False])
def test_a_gaussian_is_sampled_with_or_without_independent(plain: bool) -> None:
    mean, scale, noise = torch.zeros(4, 2), torch.full((4, 2), 3.0), torch.randn(4, 2)
    normal = Normal(mean, scale)
    torch.testing.assert_close(sample_posterior(normal if plain else Independent(normal, 1), noise), 3 * noise)


def test_the_gradient_survives_a_scale_whose_square_underflows() -> None:
    scale = torch.full((1, 1), 1e-30, requires_grad=True)
    sample_posterior(Normal(torch.zeros(1, 1), scale), torch.ones(1, 1)).sum().backward()
    assert scale.grad == 1


def test_another_family_without_a_rule_is_refused() -> None:
    gamma = Gamma(torch.ones(4, 2), torch.ones(4, 2))
    with pytest.raises(ValueError, match="posterior=Gamma: no rule turns noise into a sample of it; accepted: "):
        sample_posterior(Independent(gamma, 1), torch.randn(4, 2))


def test_a_model_without_a_rule_is_sampled_where_its_family_is_known() -> None:
    class Elsewhere:
        prior = StandardNormal(2)

        def encode(self, images: Tensor) -> Distribution:
            return Independent(Normal(images.flatten(1), 2.0), 1)

        def decode(self, z: Tensor) -> Distribution:
            raise NotImplementedError

    images, noise = torch.rand(3, 1, 1, 2), torch.randn(3, 2)
    codes = sample_codes(Elsewhere(), images, noise, 3)
    torch.testing.assert_close(codes.z, images.flatten(1) + 2 * noise)


def test_sigmoid_scale_lies_between_its_floor_and_1() -> None:
    posterior = DiagonalGaussian("sigmoid", min_scale=0.1)(torch.tensor([[0.0, 0.0, -1e3, 1e3]]))
    torch.testing.assert_close(posterior.stddev, torch.tensor([[0.1, 1.0]]))


def test_a_diagonal_gaussian_is_one_density_of_each_example() -> None:
    parameters, z = torch.randn(5, 6), torch.randn(5, 3)
    posterior = DiagonalGaussian()(parameters)
    assert (posterior.batch_shape, posterior.event_shape) == ((5,), (3,))
    mean, variance = parameters[:, :3], parameters[:, 3:].exp()
    expected = -0.5 * ((z - mean).square() / variance + variance.log() + math.log(2 * math.pi)).sum(dim=1)
    torch.testing.assert_close(posterior.log_prob(z), expected)


def test_nan_of_an_encoder_passes_through() -> None:
    """The run that sees it says what to do; torch's own check would end it by a traceback."""
    assert DiagonalGaussian()(torch.full((1, 4), math.nan)).mean.isnan().all()
    assert Deterministic()(torch.full((1, 2), math.nan)).mean.isnan().all()


def test_what_the_encoder_and_the_run_are_told() -> None:
    assert (DiagonalGaussian().parameters_per_dimension, Deterministic().parameters_per_dimension) == (2, 1)
    assert not DiagonalGaussian().needs_calibration
    assert PointMass(torch.zeros(1, 2)).has_rsample


def test_the_floor_is_added_to_an_exponential_scale() -> None:
    posterior = DiagonalGaussian("exp", min_scale=0.5)(torch.tensor([[7.0, -7.0, 0.0, 2 * math.log(3)]]))
    torch.testing.assert_close(posterior.mean, torch.tensor([[7.0, -7.0]]))
    torch.testing.assert_close(posterior.stddev, torch.tensor([[1.5, 3.5]]))


@pytest.mark.parametrize("min_scale", [-0.5, 1.0, 1.5, math.nan])
def test_impossible_floors_are_refused(min_scale: float) -> None:
    with pytest.raises(ValueError, match=f"min_scale={min_scale:g}: invalid; accepted: values of at least 0"):
        DiagonalGaussian(min_scale=min_scale)


def test_deterministic_posterior_has_an_infinite_rate_and_no_noise() -> None:
    location = torch.randn(4, 3, requires_grad=True)
    posterior = Deterministic()(location)
    assert rate(posterior, StandardNormal(3).distribution(), location).tolist() == [math.inf] * 4
    assert torch.equal(posterior.rsample(), location)
    assert not posterior.variance.any()
    assert posterior.rsample(torch.Size((2,))).shape == (2, 4, 3)


def test_an_untold_density_is_nan_with_a_reason_and_divergences_of_it_are_refused() -> None:
    """A Laplace is no Gaussian of the same variance; torch's correlated Gaussian doesn't tell by ``conditional``."""
    q = LaplacePosterior()(torch.randn(8, 4))
    told = {}
    for of in (q, MultivariateNormal(q.mean, torch.diag_embed(q.variance)), Independent(Normal(q.mean, q.stddev), 1)):
        codes, prior = codes_of(of, of.sample(), 8), StandardNormal(2)
        for metric in (AggregateInformation(prior), LogDetCovariance(prior)):
            for batch in (codes.take(slice(3)), codes.take(slice(3, 8))):
                metric.update(batch)
            values = metric.compute()
            told[type(metric), of] = [value.isfinite().all().item() for value in values.values()], metric.reason
    information, covariance = (list(told.values())[start::2] for start in (0, 1))
    for finite, reason in information[:2]:
        assert not any(finite[:-1])  # all but the bound, log N
        assert reason == NO_DENSITY
    assert all(information[2][0])
    assert covariance == [([True], None), ([False], UNKNOWN), ([True], None)]
    objective = Objective(0.0, 2.0)
    with pytest.raises(ArgumentError, match=r"^divergence=KL: it needs log q\(z\|x\) of every pair"):
        check_parts(LaplacePosterior(), StandardNormal(2), KL(), objective, None, None)
    assert check_parts(DiagonalGaussian(), StandardNormal(2), KL(), objective, None, None)
    assert not check_parts(LaplacePosterior(), StandardNormal(2), KL(), Objective(), None, None)
