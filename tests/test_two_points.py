"""The exact objective of two points against its definitions, and what docs/results/two_points.md proves."""

import math

import pytest
import torch
import two_points_networks as networks
from conftest import Compose
from torch import Tensor
from torch.distributions import Normal
from two_points_objective import (
    aggregate_kl,
    energy_distance,
    inference_gap,
    mmd,
    pair_rate,
    reconstruction,
)

from infovae.codes import Codes
from infovae.objective import rate as objective_rate
from infovae.training.assemble import build_data, build_module

Z = torch.linspace(-20, 20, 400001, dtype=torch.float64)
COLLAPSED = 0.5 * math.log(2 * math.pi * math.e)
"""-E log p(x|z) in nats where z says nothing: that of one Gaussian of variance 1 for both points."""

NORMALIZED = ["posterior=normalized_gaussian"]

CODES = [((-0.7, 0.9), (0.6, 0.4)), ((0.3, 0.3), (1.0, 0.8)), ((-3.0, 2.0), (0.2, 1.5))]


def tensors(pair: tuple[tuple[float, float], tuple[float, float]]) -> tuple[Tensor, Tensor]:
    mean, scale = pair
    return torch.tensor(mean, dtype=torch.float64), torch.tensor(scale, dtype=torch.float64)


def symmetric(mean: float, scale: float) -> tuple[Tensor, Tensor]:
    return tensors(((-mean, mean), (scale, scale)))


def density(mean: Tensor, scale: Tensor) -> Tensor:
    return Normal(mean, scale).log_prob(Z[:, None]).exp().mean(dim=1)


@pytest.mark.parametrize("pair", CODES)
def test_divergences_are_what_defines_them(pair: tuple[tuple[float, float], tuple[float, float]]) -> None:
    mean, scale = tensors(pair)
    omega, step = Z, float(Z[1] - Z[0])
    characteristic = torch.exp(1j * omega[:, None] * mean - 0.5 * (omega[:, None] * scale).square()).mean(dim=1)
    spectrum = Normal(0.0, 1.0).log_prob(omega).exp()  # of the kernel exp(-(z - z')²/2)
    expected = ((characteristic - torch.exp(-0.5 * omega.square())).abs().square() * spectrum).sum() * step
    assert float(mmd(mean, scale)) == pytest.approx(float(expected), abs=1e-9)

    distribution = Normal(mean, scale).cdf(Z[:, None]).mean(dim=1)
    expected = 2 * (distribution - Normal(0.0, 1.0).cdf(Z)).square().sum() * step
    assert float(energy_distance(mean, scale)) == pytest.approx(float(expected), abs=1e-6)

    q = density(mean, scale)
    expected = (torch.special.xlogy(q, q) - q * Normal(0.0, 1.0).log_prob(Z)).sum() * step
    assert float(aggregate_kl(mean, scale)) == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize("floor", [0.0, 0.3])
@pytest.mark.parametrize("pair", CODES[:2])
def test_no_decoder_is_better(pair: tuple[tuple[float, float], tuple[float, float]], floor: float) -> None:
    mean, scale = tensors(pair)
    low, high = Normal(mean, scale).log_prob(Z[:, None]).softmax(dim=1).T
    q, expected, variance = density(mean, scale), high - low, (4 * high * low).clamp_min(1e-250)
    centre, width = expected, variance.sqrt().clamp_min(floor)

    def cost(centre: Tensor, width: Tensor) -> float:
        squared_error = variance + (centre - expected).square()
        nats = width.log() + 0.5 * math.log(2 * math.pi) + 0.5 * squared_error / width.square()
        return float((q * nats).sum() * (Z[1] - Z[0]))

    best = float(reconstruction(mean, scale, floor))
    assert best == pytest.approx(cost(centre, width), abs=1e-4)
    others = [
        (centre + 0.1, width),
        (0.9 * centre, width),
        (centre, 1.2 * width),
        (centre, (0.9 * width).clamp_min(floor)),
    ]
    assert all(cost(*other) > best + 1e-4 for other in others)


def test_codes_that_say_nothing_have_the_prior_s_posterior() -> None:
    mean, scale = symmetric(0.0, 1.0)
    for floor in (0.0, 0.5):
        assert float(reconstruction(mean, scale, floor)) == pytest.approx(COLLAPSED, abs=1e-12)
        assert float(inference_gap(mean, scale, floor)) == pytest.approx(0.0, abs=1e-12)
    assert [float(term(mean, scale)) for term in (pair_rate, mmd, energy_distance)] == pytest.approx(
        [0.0] * 3, abs=1e-12
    )
    assert float(aggregate_kl(mean, scale)) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("floor", [0.1, 0.5])
def test_the_inference_gap_is_the_kl_to_the_true_posterior(floor: float) -> None:
    mean, scale = symmetric(0.6, 0.7)
    each = Normal(mean, scale).log_prob(Z[:, None])
    high = each.softmax(dim=1)[:, 1]
    width = (4 * high * (1 - high)).sqrt().clamp_min(floor)
    step, kls = Z[1] - Z[0], []
    for k, x in enumerate((-1.0, 1.0)):
        joint = Normal(0.0, 1.0).log_prob(Z) + Normal(2 * high - 1, width).log_prob(
            torch.tensor(x, dtype=torch.float64)
        )
        posterior = joint - (joint.logsumexp(dim=0) + step.log())
        kls.append(float((each[:, k].exp() * (each[:, k] - posterior)).sum() * step))
    assert float(inference_gap(mean, scale, floor)) == pytest.approx(sum(kls) / 2, abs=1e-5)


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.2, 0.03])
def test_the_reward_for_separate_codes_grows_like_the_squared_ratio(scale: float) -> None:
    """The proposition's bound, and its closeness: -E log p(x|z) is at most a constant less (mean / scale)²."""
    mean = math.sqrt(1 - min(scale, 0.9) ** 2)  # normalised codes
    bound = COLLAPSED + math.log(2) - (mean / scale) ** 2
    found = float(reconstruction(*symmetric(mean, scale)))
    assert found <= bound + 1e-9 * abs(bound)
    if scale < 0.3:
        assert found == pytest.approx(bound, rel=1e-6)


@pytest.mark.parametrize(("lambda_", "falls"), [(180.0, True), (220.0, False)])
def test_with_a_floor_under_the_encoder_kl_holds_above_two_over_the_floor_squared(lambda_: float, falls: bool) -> None:
    floor = 0.1  # 2 / floor² is 200
    losses = []
    for mean in (5.0, 10.0, 20.0):
        codes = symmetric(mean, floor)
        losses.append(float(reconstruction(*codes) + lambda_ * aggregate_kl(*codes)))
    assert (losses == sorted(losses, reverse=True)) is falls
    assert (losses == sorted(losses)) is not falls


def test_bounded_divergences_stay_bounded_where_the_reward_does_not() -> None:
    points = symmetric(0.77, 1e-9)
    assert float(mmd(*points)) == pytest.approx(0.0107, abs=1e-4)
    assert float(energy_distance(*points)) < 0.5
    assert float(aggregate_kl(*points)) < -math.log(1e-9) + 1


@pytest.mark.parametrize("overrides", [[], ["likelihood.min_scale=0.1", "posterior.min_scale=0.1"], NORMALIZED])
def test_networks_in_batches_are_those_of_a_run(composed: Compose, overrides: list[str]) -> None:
    cfg = composed("experiment=two_points", *overrides)
    data = build_data(cfg)
    data.setup("fit")
    module = build_module(cfg, data).double()
    floored = bool(overrides) and overrides != NORMALIZED
    floor = 0.1 if floored else 0.0
    models = networks.Models([networks.Setting(1, 10, "sampled mmd", floor, floor, overrides == NORMALIZED)] * 2)
    for mine, theirs in ((models.encoder, module.encoder), (models.decoder, module.decoder)):
        for k, layer in enumerate(layer for layer in theirs.layers if isinstance(layer, torch.nn.Linear)):
            mine[2 * k] = torch.stack([layer.weight.detach().T] * 2)
            mine[2 * k + 1] = torch.stack([layer.bias.detach()[None]] * 2)
    images = torch.tensor([0.0, 1.0], dtype=torch.float64).view(2, 1, 1, 1)
    posterior = module.posterior.forward_training(module.encoder(images), 2)
    mean, scale = models.encode()
    rates = objective_rate(posterior, module.prior.distribution(), posterior.mean)
    jitter = {"rtol": 2e-6, "atol": 1e-9}  # whitening adds a millionth to the variance
    torch.testing.assert_close(mean[1], posterior.mean.flatten(), **jitter)
    torch.testing.assert_close(scale[1], posterior.variance.sqrt().flatten(), **jitter)
    torch.testing.assert_close(pair_rate(mean, scale)[0], rates.mean(), rtol=1e-5, atol=1e-6)

    z = torch.linspace(-3, 3, 50, dtype=torch.float64)
    found = models.log_likelihood(z.expand(2, -1))[1]
    for k, image in enumerate(images):
        expected = module.decode(z[:, None]).log_prob(image.expand(50, 1, 1, 1)) - math.log(2)  # of x, not of the pixel
        torch.testing.assert_close(found[k], expected)
    codes = Codes(z[:, None], z[:, None], torch.zeros(50, 1, dtype=torch.float64), 50)
    torch.testing.assert_close(networks.sampled_mmd(z[None])[0], module.divergence(codes, module.prior))
