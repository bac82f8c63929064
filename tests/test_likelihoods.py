"""Likelihoods against torch's own, against sums over their levels, and in float32 against float64."""

import copy
import math
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.stats
import torch
from conftest import CONF
from hydra.utils import instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from infovae.data.values import Counts, TableValues
from infovae.errors import ArgumentError
from infovae.likelihoods.bernoulli import Bernoulli, FastBernoulli
from infovae.likelihoods.categorical import Categorical
from infovae.likelihoods.discretized_logistic import DiscretizedLogistic, DiscretizedLogisticDistribution
from infovae.likelihoods.gaussian import Gaussian
from infovae.likelihoods.laplace import Laplace
from infovae.likelihoods.library_negative_binomial import LibraryNegativeBinomial
from infovae.likelihoods.likelihood import Likelihood, mean_given
from infovae.likelihoods.mixed import Mixed
from infovae.likelihoods.negative_binomial import NegativeBinomial
from infovae.likelihoods.observed_entries import ObservedEntries
from infovae.likelihoods.poisson import Poisson
from infovae.likelihoods.student_t import StudentTLikelihood
from infovae.likelihoods.tokens import Tokens
from infovae.likelihoods.zero_inflated import ZeroInflated

LIKELIHOODS = sorted(
    {path.stem for path in (CONF / "likelihood").glob("*.yaml")} - {"mixed", "library_negative_binomial"}
)
"""Those with tests of their own are left out."""
SHAPES = [(3,), (2, 5), (2, 4, 3), (1, 2, 3, 4)]
COUNTS = {"poisson", "negative_binomial", "zero_inflated_negative_binomial", "tokens"}


def made(name: str) -> Likelihood:
    cfg = OmegaConf.load(CONF / "likelihood" / f"{name}.yaml")
    if name == "tokens":
        cfg.vocabulary = 7
    likelihood: Likelihood = instantiate(cfg)
    return likelihood


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_shape_is_a_product_over_its_entries(name: str, shape: tuple[int, ...]) -> None:
    """An example's log-density is the sum of those of its channels and places, each as an example of shape (1,)."""
    torch.manual_seed(0)
    likelihood, (c, *sides) = made(name), shape
    k = likelihood.parameters_per_channel
    parameters = torch.randn(4, k * c, *sides, dtype=torch.float64)
    p = likelihood.double()(parameters)
    assert p.batch_shape == (4,)
    assert p.event_shape == shape
    x = p.sample()
    assert x.shape == (4, *shape)
    assert p.mean.shape == (4, *shape)
    by_entry = parameters.unflatten(1, (k, c)).movedim(1, -1).reshape(-1, k)
    alone = likelihood(by_entry).log_prob(x.reshape(-1, 1))
    torch.testing.assert_close(p.log_prob(x), alone.view(4, -1).sum(dim=1))


EPS = torch.finfo(torch.float32).eps


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize("size", [0.0, 1.0, 1e2, 1e4, 7e4, 1e5])
def test_float32_is_float64_but_for_rounding(name: str, size: float) -> None:
    """Value and gradient, wherever the decoder has gone."""
    torch.manual_seed(0)
    likelihood = made(name)
    count = 2 * likelihood.parameters_per_channel
    # Each number of a pixel far out on either side, by itself and with all others.
    parameters = torch.randn(8, count, 3, 3) + size * torch.randint(-1, 2, (8, count, 3, 3))
    parameters[0], parameters[1] = size, -size
    images = torch.randint(7, (8, 2, 3, 3)).float() if name in COUNTS else torch.randint(256, (8, 2, 3, 3)) / 255
    images[:, :, 0, 0], images[:, :, 1, 1] = 0, 1
    found = []
    for dtype in (torch.float32, torch.float64):
        leaf = parameters.to(dtype).requires_grad_()
        log_prob = copy.deepcopy(likelihood).to(dtype)(leaf).log_prob(images.to(dtype))
        (gradient,) = torch.autograd.grad(log_prob.sum(), leaf)
        found.append((log_prob, gradient))
    (value, slope), (exact, exact_slope) = found
    assert exact_slope.isfinite().all()
    # A log-density grows no faster than (size / scale)^2, and each of its 18 pixels is rounded a few times.
    torch.testing.assert_close(value.double(), exact, rtol=50 * EPS, atol=50 * EPS)
    torch.testing.assert_close(
        slope.double(), exact_slope, rtol=1000 * EPS, atol=1000 * EPS * (1 + exact_slope.abs().amax().item())
    )


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_one_density_for_each_colour_image(name: str) -> None:
    likelihood = made(name)
    images = torch.randint(256, (4, 3, 2, 2)) / 255
    distribution = likelihood(torch.randn(4, 3 * likelihood.parameters_per_channel, 2, 2))
    assert (distribution.batch_shape, distribution.event_shape) == ((4,), (3, 2, 2))
    pixels = distribution.base_dist.log_prob(images)
    torch.testing.assert_close(distribution.log_prob(images), pixels.sum(dim=(1, 2, 3)))


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_nan_of_a_decoder_passes_through(name: str) -> None:
    """The run that sees it says what to do; torch's own check would end it by a traceback."""
    likelihood = made(name)
    nan = torch.full((1, likelihood.parameters_per_channel, 1, 1), math.nan)
    assert likelihood(nan).log_prob(torch.zeros(1, 1, 1, 1)).isnan().all()


def test_parameters_of_a_pixel() -> None:
    made = (Bernoulli(), Gaussian(), Gaussian("per_pixel"), DiscretizedLogistic(), Categorical(7))
    assert [likelihood.parameters_per_channel for likelihood in made] == [1, 1, 2, 2, 7]


def test_bernoulli_is_the_cross_entropy() -> None:
    logits, images = torch.randn(3, 2, 4, 5), torch.rand(3, 2, 4, 5)
    expected = (images * logits.sigmoid().log() + (1 - images) * (-logits).sigmoid().log()).sum((1, 2, 3))
    torch.testing.assert_close(Bernoulli()(logits).log_prob(images), expected)


def test_gaussian_constants_are_counted_once_a_pixel() -> None:
    images = torch.rand(3, 1, 4, 5)
    for likelihood in (Gaussian("fixed", 0.3), Gaussian("shared", 0.3, 0.1)):
        expected = -20 * (math.log(0.3) + 0.5 * math.log(2 * math.pi))
        torch.testing.assert_close(likelihood(images).log_prob(images), torch.full((3,), expected))
    per_pixel = Gaussian("per_pixel", 0.3, 0.1)
    assert per_pixel.parameters_per_channel == 2
    parameters = torch.cat([images, torch.zeros_like(images)], dim=1)
    torch.testing.assert_close(per_pixel(parameters).log_prob(images), torch.full((3,), expected))


def test_a_sigmoid_location_is_the_density_around_the_sigmoid() -> None:
    images, parameters = torch.rand(3, 1, 4, 5), torch.randn(3, 1, 4, 5)
    for kind in (Gaussian, Laplace, StudentTLikelihood):
        bounded, plain = kind(scale=0.3, location="sigmoid"), kind(scale=0.3)
        torch.testing.assert_close(bounded(parameters).log_prob(images), plain(parameters.sigmoid()).log_prob(images))
    per_pixel = torch.cat([parameters, torch.randn(3, 1, 4, 5)], dim=1)
    expected = torch.cat([parameters.sigmoid(), per_pixel[:, 1:]], dim=1)  # the scale is left alone
    torch.testing.assert_close(
        Gaussian("per_pixel", location="sigmoid")(per_pixel).log_prob(images),
        Gaussian("per_pixel")(expected).log_prob(images),
    )


def test_gaussian_scale_of_a_pixel_is_offset_by_the_decoder() -> None:
    likelihood = Gaussian("per_pixel", 0.3, 0.1)
    offsets = torch.tensor([-1e3, -1.0, 0.0, 2.0])
    parameters = torch.stack([torch.zeros(4), offsets]).view(1, 2, 4, 1)
    start = math.log(math.expm1(0.3 - 0.1))
    expected = [0.1 + math.log1p(math.exp(start + offset)) for offset in offsets.tolist()]
    torch.testing.assert_close(likelihood(parameters).stddev.flatten(), torch.tensor(expected))
    colours = torch.randn(2, 6, 4, 4)
    torch.testing.assert_close(likelihood(colours).mean, colours[:, :3])


def test_a_learned_gaussian_scale_has_a_floor() -> None:
    likelihood = Gaussian("shared", 0.3, 0.1)
    with torch.no_grad():
        likelihood.raw_scale.fill_(-1e3)
    assert likelihood(torch.zeros(1, 1, 1, 1)).stddev.item() == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"scale": 0.0}, "scale=0: invalid; accepted: values above 0"),
        ({"scale": -0.5}, "scale=-0.5: invalid; accepted: values above 0"),
        ({"scale": 0.3, "min_scale": 0.3}, "min_scale=0.3: invalid; accepted: values from 0 to below scale=0.3"),
        ({"min_scale": -0.5}, "min_scale=-0.5: invalid; accepted: values from 0"),
    ],
)
def test_impossible_gaussian_scales_are_refused(arguments: dict[str, float], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Gaussian(**arguments)  # type: ignore[arg-type]
    assert Gaussian("shared", 0.3, 0.0).min_scale == 0


def test_gaussian_scale_is_learned_where_it_should_be() -> None:
    learned = {variance: Gaussian(variance).raw_scale.requires_grad for variance in ("fixed", "shared", "per_pixel")}
    assert learned == {"fixed": False, "shared": True, "per_pixel": False}


@given(location=st.floats(-2, 3), log_scale=st.floats(-7, 2))
def test_discretized_logistic_is_a_distribution_over_256_levels(location: float, log_scale: float) -> None:
    levels = torch.arange(256, dtype=torch.float64) / 255
    distribution = DiscretizedLogisticDistribution(
        torch.full((256,), location, dtype=torch.float64), torch.full((256,), log_scale, dtype=torch.float64)
    )
    log_prob = distribution.log_prob(levels)
    assert log_prob.isfinite().all()
    assert log_prob.exp().sum().item() == pytest.approx(1, abs=1e-9)


def test_discretized_logistic_samples_follow_its_probabilities() -> None:
    n, levels = 100_000, torch.arange(256) / 255
    for location in (0.02, 0.6, 0.99):
        distribution = DiscretizedLogisticDistribution(torch.full((n,), location), torch.full((n,), -3.0))
        frequency = torch.bincount((255 * distribution.sample()).round().long(), minlength=256) / n
        one = DiscretizedLogisticDistribution(torch.full((256,), location), torch.full((256,), -3.0))
        probability = one.log_prob(levels).exp()
        assert ((frequency - probability).abs() <= 5 * (probability / n).sqrt() + 10 / n).all()


def test_discretized_logistic_mean_is_a_grey_level() -> None:
    distribution = DiscretizedLogisticDistribution(torch.tensor([-0.5, 0.3, 1.7]), torch.zeros(3))
    torch.testing.assert_close(distribution.mean, torch.tensor([0.0, 0.3, 1.0]))


def test_the_series_of_a_narrow_bin_meets_its_formula() -> None:
    """log(1 - exp(-w)), in float64 and by expm1; the next term of the series is w^4 / 2880."""
    width = torch.tensor([1e-4, 5e-4, 9.9e-4, 1.1e-3, 0.1, 3.0], dtype=torch.float64)
    distribution = DiscretizedLogisticDistribution(torch.zeros_like(width), -(255 * width).log())
    torch.testing.assert_close(
        distribution._log_of_bin(255 * width), torch.log(-torch.expm1(-width)), rtol=0, atol=1e-11
    )


@pytest.mark.parametrize("edge", [0.0, 1.0])
def test_the_edges_of_a_uniform_draw_are_no_nan(edge: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.rand may give 0, whose logit is infinite; a scale may underflow to 0."""
    monkeypatch.setattr(torch, "rand", lambda *size, **options: torch.full(*size, edge, **options))
    narrow = DiscretizedLogisticDistribution(torch.tensor([0.2]), torch.tensor([-200.0]))
    assert narrow.sample().item() == pytest.approx(0.2)


def test_discretized_logistic_starts_in_the_middle_of_the_grey_range() -> None:
    start = DiscretizedLogistic()(torch.zeros(1, 2, 1, 1)).base_dist
    assert start.mean.item() == 0.5
    assert start.log_scale.exp().item() == pytest.approx(0.1, rel=0.01)


def test_bernoulli_passes_on_the_gradient_it_is_given() -> None:
    """In logits and in pixels, as torch's own cross-entropy does."""
    weight = torch.tensor([2.0, -0.5, 3.0])
    found = []
    for mine in (True, False):
        logits = torch.tensor([-2.0, 0.3, 40.0], requires_grad=True)
        pixels = torch.tensor([0.0, 0.6, 1.0], requires_grad=True)
        if mine:
            value = Bernoulli()(logits.view(3, 1, 1, 1)).log_prob(pixels.view(3, 1, 1, 1))
        else:
            value = -torch.nn.functional.binary_cross_entropy_with_logits(logits, pixels, reduction="none")
        found.append(torch.autograd.grad((weight * value).sum(), [logits, pixels]))
    for ours, torchs in zip(*found, strict=True):
        torch.testing.assert_close(ours, torchs)
    logits, pixels = torch.randn(3, 1, 1, 1), torch.rand(3, 1, 1, 1, requires_grad=True)
    (alone,) = torch.autograd.grad(Bernoulli()(logits).log_prob(pixels).sum(), pixels)
    torch.testing.assert_close(alone, logits)


def test_bernoulli_is_its_own_on_a_cpu_and_torchs_elsewhere() -> None:
    class Elsewhere(torch.Tensor):
        device = SimpleNamespace(type="elsewhere")  # type: ignore[assignment]

    logits, images = torch.randn(3, 2, 4, 5, requires_grad=True), torch.rand(3, 2, 4, 5)
    here = FastBernoulli(logits=logits, validate_args=False).log_prob(images)
    there = FastBernoulli(logits=logits.as_subclass(Elsewhere), validate_args=False).log_prob(images)
    torch.testing.assert_close(here, there.as_subclass(torch.Tensor))
    assert here.grad_fn.name() == "_LogProbabilityBackward"


@given(levels=st.integers(2, 300), channels=st.integers(1, 3), scale=st.floats(0, 50))
@settings(deadline=None, max_examples=30)
def test_categorical_probabilities_of_the_levels_sum_to_1(levels: int, channels: int, scale: float) -> None:
    parameters = scale * torch.randn(1, levels * channels, 1, 1, dtype=torch.float64)
    values = torch.arange(levels, dtype=torch.float64) / (levels - 1)
    # One image a level, the same in all channels: the pixel's own log-probabilities are inside the image's sum.
    pixels = Categorical(levels)(parameters).base_dist
    log_prob = pixels.log_prob(values.view(-1, 1, 1, 1, 1).expand(-1, 1, channels, 1, 1))
    torch.testing.assert_close(log_prob.exp().sum(dim=0), torch.ones(1, channels, 1, 1, dtype=torch.float64))


def test_each_byte_is_a_level_of_its_own() -> None:
    images = torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1).float() / 255
    logits = torch.randn(256)
    log_prob = Categorical()(logits.view(1, 256, 1, 1)).log_prob(images)
    torch.testing.assert_close(log_prob, logits.log_softmax(dim=0))


def test_equal_logits_are_8_bits_a_dimension() -> None:
    images = torch.randint(256, (2, 3, 4, 5)) / 255
    log_prob = Categorical()(torch.zeros(2, 768, 4, 5)).log_prob(images)
    torch.testing.assert_close(-log_prob / (math.log(2) * 60), torch.full((2,), 8.0))


def test_two_levels_are_a_coin() -> None:
    logits, images = torch.randn(3, 2, 4, 5), torch.rand(3, 2, 4, 5).round()
    parameters = torch.cat([torch.zeros_like(logits), logits], dim=1)
    torch.testing.assert_close(Categorical(2)(parameters).log_prob(images), Bernoulli()(logits).log_prob(images))
    torch.testing.assert_close(Categorical(2)(parameters).mean, Bernoulli()(logits).mean)


def test_categorical_samples_follow_their_probabilities() -> None:
    n, logits = 50_000, torch.tensor([0.0, 1.0, -1.0, 0.5])
    samples = Categorical(4)(logits.view(1, 4, 1, 1)).sample((n,)).flatten()
    frequencies = torch.bincount((3 * samples).round().long(), minlength=4) / n
    torch.testing.assert_close(frequencies, logits.softmax(dim=0), rtol=0, atol=5 * (0.25 / n) ** 0.5)


def test_one_level_is_refused() -> None:
    with pytest.raises(ValueError, match="levels=1: invalid; accepted: "):
        Categorical(1)


def test_heavy_tails_are_those_of_scipy() -> None:
    x, location = torch.randn(2, 50, 3, dtype=torch.float64)
    laplace = scipy.stats.laplace.logpdf(x, location, 0.3).sum(axis=1)
    torch.testing.assert_close(Laplace("fixed", 0.3).double()(location).log_prob(x), torch.from_numpy(laplace))
    student = scipy.stats.t.logpdf(x, 5, location, 0.3).sum(axis=1)
    ours = StudentTLikelihood(5, "fixed", 0.3).double()(location).log_prob(x)
    torch.testing.assert_close(ours, torch.from_numpy(student))


def test_counts_are_those_of_scipy() -> None:
    generator = np.random.default_rng(0)
    log_mean, log_r = torch.from_numpy(generator.normal(size=(2, 50, 3)))
    x = torch.from_numpy(generator.poisson(3, size=(50, 3))).double()
    poisson = scipy.stats.poisson.logpmf(x, log_mean.exp()).sum(axis=1)
    torch.testing.assert_close(Poisson()(log_mean).log_prob(x), torch.from_numpy(poisson))
    r, mean = log_r.exp(), log_mean.exp()
    binomial = scipy.stats.nbinom.logpmf(x, r, r / (r + mean))
    both = torch.cat([log_mean, log_r], dim=1)
    torch.testing.assert_close(NegativeBinomial()(both).log_prob(x), torch.from_numpy(binomial.sum(axis=1)))
    logits = torch.from_numpy(generator.normal(size=(50, 3)))
    gate = logits.sigmoid().numpy()
    inflated = np.log(gate * (x == 0).numpy() + (1 - gate) * np.exp(binomial)).sum(axis=1)
    three = torch.cat([logits, both], dim=1)
    torch.testing.assert_close(ZeroInflated(NegativeBinomial())(three).log_prob(x), torch.from_numpy(inflated))


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_samples_of_counts_have_the_mean_of_their_distribution(name: str) -> None:
    torch.manual_seed(0)
    likelihood, n = made(name), 20_000
    p = likelihood(torch.randn(1, 2 * likelihood.parameters_per_channel))
    samples = p.sample((n,)).squeeze(1)
    error = samples.std(dim=0) / math.sqrt(n)
    assert ((samples.mean(dim=0) - p.mean.squeeze(0)).abs() < 5 * error).all()


def test_the_variance_of_a_negative_binomial_is_that_of_its_draws() -> None:
    torch.manual_seed(0)
    n, p = 40_000, NegativeBinomial()(torch.tensor([[1.0, 0.5]]))
    samples = p.sample((n,)).flatten()
    fourth = (samples - samples.mean()).pow(4).mean()
    error = math.sqrt(float(fourth - samples.var() ** 2) / n)
    assert abs(samples.var() - p.base_dist.variance.squeeze()) < 5 * error


def test_tokens_are_the_cross_entropy_and_have_a_mode() -> None:
    logits, x = torch.randn(6, 5, 9), torch.randint(5, (6, 1, 9))
    expected = -torch.nn.functional.cross_entropy(logits, x.squeeze(1), reduction="none").sum(dim=1)
    p = Tokens(5)(logits)
    torch.testing.assert_close(p.log_prob(x.float()), expected)
    torch.testing.assert_close(p.base_dist.mode.squeeze(1), logits.argmax(dim=1).float())


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ArgumentError, match="vocabulary=1"):
        Tokens(1)
    with pytest.raises(ArgumentError, match="degrees_of_freedom=1"):
        StudentTLikelihood(1.0)


def test_tokens_are_their_own_levels() -> None:
    """The mean of levels 0 to 4, not of levels up to 1; the mode is the most likely of them; two are enough."""
    logits = torch.randn(3, 5, 2)
    distribution = Tokens(5)(logits).base_dist
    expected = torch.einsum("nkc,k->nc", logits.softmax(dim=1), torch.arange(5.0))
    torch.testing.assert_close(distribution.mean.squeeze(1), expected)
    torch.testing.assert_close(distribution.mode.squeeze(1), logits.argmax(dim=1).float())
    torch.testing.assert_close(Categorical(5)(logits).base_dist.mean.squeeze(1), expected / 4)
    torch.testing.assert_close(Categorical(5)(logits).base_dist.mode.squeeze(1), logits.argmax(dim=1) / 4)
    assert Tokens(2).parameters_per_channel == 2


def test_the_moments_of_counts_are_scipys() -> None:
    log_mean, log_r = torch.tensor([[0.7, -1.0]]).double(), torch.tensor([[1.3, 0.4]]).double()
    found = NegativeBinomial()(torch.cat([log_mean, log_r], dim=1)).base_dist
    r = log_r.exp().numpy()
    mean, variance = scipy.stats.nbinom.stats(r, r / (r + log_mean.exp().numpy()))
    assert found.mean.numpy() == pytest.approx(mean)
    assert found.variance.numpy() == pytest.approx(variance)


def test_rates_of_a_decoder_gone_astray_have_a_limit() -> None:
    far = torch.tensor([[-99.0, 99.0]])
    assert Poisson()(far).base_dist.mean.log().tolist() == [pytest.approx([-20, 20])]
    astray = NegativeBinomial()(torch.tensor([[99.0, 99.0], [-99.0, -99.0]])).base_dist
    assert astray.log_mean.flatten().tolist() == [20, -20]
    assert astray.log_inverse_dispersion.flatten().tolist() == [12, -12]


@pytest.mark.parametrize("degrees", [1.0, math.inf, math.nan])
def test_degrees_of_freedom_without_a_mean_are_refused(degrees: float) -> None:
    with pytest.raises(ArgumentError, match=f"degrees_of_freedom={degrees:g}: invalid; accepted: finite"):
        StudentTLikelihood(degrees)
    assert StudentTLikelihood(1.5).degrees_of_freedom == 1.5


def test_mixed_columns_are_a_product_of_numbers_and_softmaxes() -> None:
    """By hand, with a column of numbers before, between and after two of categories."""
    columns = TableValues(["a", "b=0", "b=1", "b=2", "c", "d=0", "d=1", "e"], [(1, 4), (5, 7)])
    parameters = torch.randn(5, 16, dtype=torch.float64)
    p = Mixed(columns, Gaussian("per_pixel", scale=1.0)).double()(parameters)
    x = p.sample()
    assert torch.equal(x[:, 1:4].sum(1), torch.ones(5))
    assert torch.equal(x[:, 5:7].sum(1), torch.ones(5))
    numbers = Gaussian("per_pixel", scale=1.0).double()(parameters).base_dist
    expected = numbers.log_prob(x)[:, [0, 4, 7]].sum(1)
    for start, stop in ((1, 4), (5, 7)):
        chosen = x[:, start:stop].argmax(1)
        expected = expected - torch.nn.functional.cross_entropy(parameters[:, start:stop], chosen, reduction="none")
        torch.testing.assert_close(p.mean[:, start:stop], parameters[:, start:stop].softmax(1))
    torch.testing.assert_close(p.log_prob(x), expected)
    n = 20_000
    drawn = Mixed(columns, Gaussian())(parameters[:1, :8].float().expand(n, 8)).sample()[:, 1:4].mean(0)
    probability = parameters[0, 1:4].softmax(0)
    # Five standard errors of a frequency.
    assert ((drawn - probability).abs() < 5 * (probability * (1 - probability) / n).sqrt()).all()


def test_missing_entries_are_left_out_of_density_and_gradient() -> None:
    """A row's density is that of the entries that are there; a category is missing as a whole."""
    columns = TableValues(["a", "b=0", "b=1", "c"], [(1, 3)], has_missing=True)
    likelihood = ObservedEntries(Mixed(columns, Gaussian()))
    parameters = torch.randn(3, 4, requires_grad=True)
    x = torch.tensor([[math.nan, 0, 1, 0.5], [0.2, math.nan, math.nan, 0.5], [math.nan] * 4])
    densities = likelihood(parameters).log_prob(x)
    entries = likelihood.base(parameters).base_dist.log_prob(x.nan_to_num())
    kept = [entries[0, 1:].sum(), entries[1, [0, 3]].sum(), torch.tensor(0.0)]
    torch.testing.assert_close(densities, torch.stack(kept))
    (gradient,) = torch.autograd.grad(densities.sum(), parameters)
    assert torch.equal(gradient == 0, torch.tensor([[1, 0, 0, 0], [0, 1, 1, 0], [1, 1, 1, 1]]).bool())
    whole = torch.tensor([[0.1, 0, 1, 0.5]] * 3)
    torch.testing.assert_close(likelihood(parameters).log_prob(whole), likelihood.base(parameters).log_prob(whole))


@pytest.mark.parametrize("shape", [(7,), (2, 5)], ids=str)
def test_means_are_the_observed_total_times_a_softmax(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    c, *sides = shape
    parameters = torch.randn(5, 2 * c, *sides, dtype=torch.float64)
    x = torch.randint(40, (5, *shape)).double()
    shares = parameters[:, :c].flatten(1).softmax(dim=1).view(5, *shape)
    mean = x.flatten(1).sum(dim=1).view(-1, *[1] * len(shape)) * shares
    r = parameters[:, c:].exp()
    expected = scipy.stats.nbinom.logpmf(x, r, r / (r + mean)).reshape(5, -1).sum(axis=1)
    found = LibraryNegativeBinomial(Counts(3.0, 0.2))(parameters)
    np.testing.assert_allclose(found.log_prob(x), expected, rtol=1e-10)
    np.testing.assert_allclose(mean_given(found, x), mean, rtol=1e-10)
    logits = torch.randn_like(parameters[:, :c])
    inflated = ZeroInflated(LibraryNegativeBinomial(Counts(3.0, 0.2)))(torch.cat([logits, parameters], dim=1))
    np.testing.assert_allclose(mean_given(inflated, x), torch.sigmoid(-logits) * mean, rtol=1e-10)
    poisson = Poisson()(parameters[:, :c])
    assert torch.equal(mean_given(poisson, x), poisson.mean)


def test_samples_have_totals_like_those_of_the_data() -> None:
    """Their mean is E[l] times the shares, with l log-normal; an example without counts has a density too."""
    torch.manual_seed(0)
    totals = Counts().fitted(torch.cat([torch.full((500, 2), 10.0), torch.full((500, 2), 200.0)]))
    assert totals.log_total_mean == pytest.approx(math.log(20 * 400) / 2)
    assert totals.log_total_scale == pytest.approx(math.log(400 / 20) / 2)
    totals = Counts(3.0, 0.5)
    parameters = torch.tensor([[0.0, 1.0, 2.0, 2.0]]).requires_grad_()
    p = LibraryNegativeBinomial(totals)(parameters)
    drawn = p.sample((40_000,))
    assert drawn.shape == (40_000, 1, 2)
    torch.testing.assert_close(p.mean[0], math.exp(3 + 0.5**2 / 2) * torch.tensor([0.0, 1.0]).softmax(dim=0))
    error = drawn.std(dim=0) / math.sqrt(len(drawn))
    assert ((drawn.mean(dim=0) - p.mean).abs() < 5 * error).all()
    nothing = p.log_prob(torch.zeros(1, 2)).sum()
    (slope,) = torch.autograd.grad(nothing, parameters)
    assert nothing.item() == pytest.approx(0, abs=1e-6)
    assert slope.isfinite().all()
