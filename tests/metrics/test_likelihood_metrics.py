"""log p(x) of a split, as evaluate.py measures it, on a model of which it is known."""

import math

import pytest
import torch
from metrics.linear_gaussian import LinearGaussian, LinearGaussianModel
from torch import Tensor

from infovae.codes import Codes
from infovae.metrics.annealed_importance import AnnealedImportance
from infovae.metrics.importance_weighted import ImportanceWeighted, log_importance_weights
from infovae.metrics.log_weights import log_mean_weight
from infovae.metrics.reconstruction import Reconstruction
from infovae.model import Observed
from infovae.posteriors.point_mass import PointMass
from infovae.priors.uniform import Uniform

PIXELS = 5


def model_and_images(n: int, d: int = 2) -> tuple[LinearGaussianModel, Tensor]:
    torch.manual_seed(d)
    model = LinearGaussianModel(LinearGaussian.random(d, PIXELS))
    return model, model.simulate(n)


def measure(metric: ImportanceWeighted | AnnealedImportance, images: Tensor, batch: int) -> dict[str, float]:
    for part in images.split(batch):
        metric.update(part)
    torch.manual_seed(5)
    return {name: value.item() for name, value in metric.compute().items()}


def test_importance_weights_average_to_the_exact_value() -> None:
    model, images = model_and_images(30)
    found = measure(ImportanceWeighted(model, images=30, samples=3000), images, 7)
    name = "importance_weighted_log_likelihood"
    exact = model.known.log_likelihood(images.flatten(1))
    error = found[f"{name}_monte_carlo_error"]
    # On average too low by half the variance of each image's estimate.
    bias = 30 * error**2 / 2
    assert found[name] == pytest.approx(float(exact.mean()), abs=4.5 * error + bias)
    assert error < 0.02
    assert found[f"{name}_standard_error"] == pytest.approx(float(exact.std()) / math.sqrt(30), rel=0.05)
    assert found[f"{name}_bits_per_dimension"] == pytest.approx(-found[name] / (math.log(2) * PIXELS))
    assert 1 < found[f"{name}_effective_sample_size"] <= 3000


@pytest.mark.parametrize("start", ["prior", "posterior"])
def test_annealing_agrees_with_the_exact_value_and_encloses_the_simulated_one(start: str) -> None:
    model, images = model_and_images(20)
    metric = AnnealedImportance(model, images=20, chains=8, temperatures=150, leapfrog_steps=3, start=start, chunk=8)
    found = measure(metric, images, 9)
    exact = float(model.known.log_likelihood(images.flatten(1)).mean())
    error = found["annealed_log_likelihood_monte_carlo_error"]
    assert found["annealed_log_likelihood"] == pytest.approx(exact, abs=4.5 * error + 20 * error**2 / 2)
    assert error < 0.1
    # The gap is the sum of what both bounds lack: above 0 but for its own error, and small by now.
    assert -4.5 * found["simulated_gap_standard_error"] < found["simulated_gap"] < 0.3
    gap = found["simulated_upper_bound"] - found["simulated_lower_bound"]
    assert found["simulated_gap"] == pytest.approx(gap, rel=1e-6, abs=1e-9)
    assert 0.4 < found["annealed_acceptance"] <= 1


def test_chains_from_the_exact_posterior_have_equal_weights() -> None:
    """Its density is p(z, x) but for the constant p(x), so nothing changes along the path."""
    model, images = model_and_images(5, d=1)
    model.factor = 1.0  # a posterior of one dimension is its own diagonal
    few = {"images": 5, "chains": 4, "temperatures": 3, "leapfrog_steps": 2}
    exact = model.known.log_likelihood(images.flatten(1)).mean().item()
    found = measure(AnnealedImportance(model, start="posterior", **few), images, 5)
    assert found["annealed_log_likelihood"] == pytest.approx(exact, abs=1e-9)
    assert found["annealed_log_likelihood_effective_sample_size"] == pytest.approx(4)
    found = measure(AnnealedImportance(model, start="prior", **few), images, 5)
    assert found["annealed_log_likelihood_effective_sample_size"] < 3.9


def test_each_image_has_draws_of_its_own() -> None:
    model, images = model_and_images(3)
    found = measure(ImportanceWeighted(model, images=3, samples=30), images, 3)
    torch.manual_seed(5)
    prior = model.prior.distribution()
    values = [
        log_mean_weight(log_importance_weights(image, model.decode, prior, model.encode(image), 30)).value
        for image in images.split(1)
    ]
    name = "importance_weighted_log_likelihood"
    assert found[name] == pytest.approx(torch.cat(values).mean().item(), rel=1e-12)
    error = float(torch.cat(values).std()) / math.sqrt(3)
    assert found[f"{name}_bits_per_dimension_standard_error"] == pytest.approx(error / (math.log(2) * PIXELS))


@pytest.mark.parametrize(
    ("deterministic", "samples", "reason"),
    [
        (True, 20, "q(z|x) has no density where its variance is 0"),
        (False, 20, "the tail of fewer than 21 weights has no shape"),
        (False, 21, None),
    ],
)
def test_why_weights_say_nothing_is_known(deterministic: bool, samples: int, reason: str | None) -> None:
    model, images = model_and_images(3)
    if deterministic:
        model.encode = lambda images: PointMass(images.flatten(1)[:, :2])  # type: ignore[method-assign]
    metric = ImportanceWeighted(model, images=3, samples=samples)
    found = measure(metric, images, 3)
    name = "importance_weighted_log_likelihood"
    assert math.isnan(found[name]) == deterministic
    assert math.isnan(found[f"{name}_pareto_k"]) == (reason is not None)
    assert found[f"{name}_images"] == 3
    assert metric.reason == reason


def test_weights_that_are_all_0_are_not_called_reliable() -> None:
    model, images = model_and_images(3)
    model.prior = Uniform(2, half_width=1e-6)
    metric = ImportanceWeighted(model, images=3, samples=30)
    found = measure(metric, images, 3)
    assert math.isnan(found["importance_weighted_log_likelihood_unreliable"])
    assert metric.reason == "all weights of an example are 0, or one is nan"


def test_which_splits_are_worth_the_time() -> None:
    model, _ = model_and_images(1)
    assert not ImportanceWeighted(model).of_any_split
    reconstruction = Reconstruction(model)
    assert reconstruction.of_any_split
    assert not reconstruction.compares_with_training
    assert not reconstruction.sync_on_compute  # every process sees the global batches


SMALL: dict[type, dict[str, int]] = {
    ImportanceWeighted: {"samples": 30},
    AnnealedImportance: {"temperatures": 3, "leapfrog_steps": 1, "chains": 2, "chunk": 4},
}


@pytest.mark.parametrize("kind", SMALL)
def test_a_time_limit_takes_the_whole_split_or_at_least_two_images(kind: type) -> None:
    model, images = model_and_images(12)
    name = "importance_weighted" if kind is ImportanceWeighted else "annealed"
    enough = measure(kind(model, images=None, seconds=600, **SMALL[kind]), images, 5)
    assert enough[f"{name}_log_likelihood_images"] == 12
    whole = measure(kind(model, images=12, **SMALL[kind]), images, 5)
    assert enough == pytest.approx(whole, rel=1e-9, nan_ok=True)
    hurried = measure(kind(model, images=None, seconds=1e-9, **SMALL[kind]), images, 5)
    assert hurried[f"{name}_log_likelihood_images"] == (2 if kind is ImportanceWeighted else 4)
    assert math.isfinite(hurried[f"{name}_log_likelihood_standard_error"])


@pytest.mark.parametrize("kind", SMALL)
def test_a_fixed_number_of_images_does_not_depend_on_the_clock(kind: type) -> None:
    model, images = model_and_images(12)
    values = [measure(kind(model, images=7, seconds=limit, **SMALL[kind]), images, 5) for limit in (1e-9, 600)]
    assert values[0] == pytest.approx(values[1], rel=1e-12, nan_ok=True)


def test_weights_of_a_proposal_that_is_too_narrow_are_called_unreliable(caplog: pytest.LogCaptureFixture) -> None:
    """A proposal with 0.4 of the standard deviations: k-hat is about 1 - 0.4^2 = 0.84. A wider one has no tail."""
    name = "importance_weighted_log_likelihood"
    model, images = model_and_images(10)
    wide = measure(ImportanceWeighted(model, images=10, samples=3000), images, 10)
    assert wide[f"{name}_unreliable"] == 0
    assert wide[f"{name}_pareto_k"] < 0.5
    assert not caplog.messages
    model.factor = 0.4
    narrow = measure(ImportanceWeighted(model, images=10, samples=3000), images, 10)
    assert narrow[f"{name}_unreliable"] > 0.5
    assert narrow[f"{name}_pareto_k"] > 0.7
    count = round(10 * narrow[f"{name}_unreliable"])
    assert f": {count} of 10 examples have weights whose tail has a shape above 0.70" in caplog.text


@pytest.mark.parametrize("kind", [ImportanceWeighted, AnnealedImportance])
def test_the_first_images_count_whatever_the_batch_size(kind: type) -> None:
    model, images = model_and_images(12)
    small = {"samples": 20} if kind is ImportanceWeighted else {"temperatures": 3, "leapfrog_steps": 1, "chains": 2}
    values = [measure(kind(model, images=7, **small), images, batch) for batch in (1, 5, 12)]
    assert values[0] == pytest.approx(values[1], rel=1e-9, nan_ok=True)
    assert values[0] == pytest.approx(values[2], rel=1e-9, nan_ok=True)
    assert values[0] == pytest.approx(measure(kind(model, images=7, **small), images[:7], 7), rel=1e-9, nan_ok=True)


def test_a_point_mass_has_no_importance_weights() -> None:
    model, images = model_and_images(3)
    model.factor = 0.0
    torch.distributions.Distribution.set_default_validate_args(False)
    found = measure(ImportanceWeighted(model, images=3, samples=10), images, 3)
    torch.distributions.Distribution.set_default_validate_args(True)
    assert math.isnan(found["importance_weighted_log_likelihood"])


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        (ImportanceWeighted, "images", 0), (ImportanceWeighted, "samples", 0), (ImportanceWeighted, "chunk", 0),
        (AnnealedImportance, "images", 0), (AnnealedImportance, "chains", 0), (AnnealedImportance, "temperatures", 0),
        (AnnealedImportance, "leapfrog_steps", 0), (AnnealedImportance, "target_acceptance", 1.0),
        (AnnealedImportance, "chunk", 0), (AnnealedImportance, "seconds", 0.0), (ImportanceWeighted, "seconds", 0.0),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(kind: type, key: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{key}={value}: .*accepted: "):
        kind(model_and_images(1)[0], **{key: value})


def test_the_elbo_is_log_p_less_the_gap_to_the_posterior() -> None:
    """E[elbo] = log p(x) - KL(q(z|x) || p(z|x)), each known; the squared error of the mean code is exact."""
    n = 4000
    model, images = model_and_images(n)
    posterior = model.encode(images)
    z = posterior.sample()
    metric = Reconstruction(model)
    for part in torch.arange(n).split(999):
        codes = Codes(z[part], posterior.mean[part], posterior.variance[part], n)
        metric.observe(Observed(images[part], torch.zeros(len(part), dtype=torch.int64), codes))
    found = {name: value.item() for name, value in metric.compute().items()}

    flat = images.flatten(1)
    wide = torch.distributions.MultivariateNormal(posterior.mean, torch.diag_embed(posterior.variance))
    gap = torch.distributions.kl_divergence(wide, model.known.posterior(flat))
    exact = float((model.known.log_likelihood(flat) - gap).mean())
    assert found["elbo"] == pytest.approx(exact, abs=4.5 * found["elbo_standard_error"])
    assert found["elbo"] == pytest.approx(-found["reconstruction"] - found["rate"])
    rate = torch.distributions.kl_divergence(posterior, model.prior.distribution()).mean()
    assert found["rate"] == pytest.approx(float(rate))
    decoded = model.known.decode(posterior.mean).mean
    assert found["squared_error_of_mean_code"] == pytest.approx(float((decoded - flat).square().sum(dim=1).mean()))
    # z's own spread adds tr(W V W') to it.
    added = float((posterior.variance @ model.known.weight.square().sum(dim=0)).mean())
    expected = found["squared_error_of_mean_code"] + added
    assert found["squared_error"] == pytest.approx(expected, abs=4.5 * found["squared_error_standard_error"])
