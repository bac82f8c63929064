"""The importance-weighted bound on a model whose log p(x) is known."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics.linear_gaussian import LinearGaussian

from infovae.metrics.importance_weighted import importance_weighted_log_likelihood
from infovae.metrics.log_weights import log_mean_weight


def model_and_images(d: int, n: int) -> tuple[LinearGaussian, torch.Tensor]:
    torch.manual_seed(d)
    model = LinearGaussian.random(d, d + 2)
    return model, model.simulate(n)[1]


@pytest.mark.parametrize("d", [1, 3])
def test_the_exact_posterior_gives_the_exact_value_with_one_sample(d: int) -> None:
    model, x = model_and_images(d, 20)
    estimate = importance_weighted_log_likelihood(x, model.decode, model.prior, model.posterior(x), samples=1)
    torch.testing.assert_close(estimate.value, model.log_likelihood(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("d", [1, 3])
def test_it_agrees_with_the_exact_value_within_its_own_standard_error(d: int) -> None:
    n = 60
    model, x = model_and_images(d, n)
    estimate = importance_weighted_log_likelihood(
        x, model.decode, model.prior, model.wider_posterior(x, 1.3), samples=4000
    )
    error = estimate.value - model.log_likelihood(x)
    variance = estimate.standard_error.square()
    # The bias is half the variance, to first order.
    assert abs(float((error + variance / 2).mean())) < 4.5 * math.sqrt(float(variance.sum())) / n
    # Scores of a normal law: their mean square is 1 with variance 2 / n.
    assert float((error / estimate.standard_error).square().mean()) == pytest.approx(1, abs=4.5 * math.sqrt(2 / n))


def test_one_sample_averages_to_the_elbo_and_many_to_no_less() -> None:
    model, x = model_and_images(2, 1)
    proposal = model.wider_posterior(x, 1.5)
    exact, posterior = model.log_likelihood(x), model.posterior(x)
    normal = torch.distributions.MultivariateNormal(proposal.mean, torch.diag_embed(proposal.variance))
    elbo = float(exact - torch.distributions.kl_divergence(normal, posterior))
    many = x.expand(20_000, -1)
    repeated = model.wider_posterior(many, 1.5)
    single, several = (
        importance_weighted_log_likelihood(many, model.decode, model.prior, repeated, samples=k).value for k in (1, 5)
    )
    assert float(single.mean()) == pytest.approx(elbo, abs=4.5 * float(single.std()) / math.sqrt(len(many)))
    error = float((several.var() + single.var()).sqrt()) / math.sqrt(len(many))
    assert float(several.mean() - single.mean()) > 4.5 * error
    assert float(several.mean()) < float(exact) + 4.5 * float(several.std()) / math.sqrt(len(many))


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 9), st.integers(1, 40))
def test_the_chunk_changes_nothing(d: int, n: int, samples: int, chunk: int) -> None:
    model, x = model_and_images(d, n)
    values = []
    for size in (chunk, 10_000):
        torch.manual_seed(3)
        proposal = model.wider_posterior(x, 1.3)
        values.append(importance_weighted_log_likelihood(x, model.decode, model.prior, proposal, samples, size))
    torch.testing.assert_close(values[0], values[1], rtol=1e-10, atol=1e-10, equal_nan=True)
    assert values[0].value.shape == (n,)
    assert bool(values[0].standard_error.isnan().all()) == (samples == 1)


@given(st.integers(1, 30), st.floats(-1e4, 1e4))
def test_equal_weights_count_all_and_one_dominant_weight_counts_one(k: int, level: float) -> None:
    equal = log_mean_weight(torch.full((k, 1), level, dtype=torch.float64))
    assert float(equal.effective_sample_size) == pytest.approx(k)
    assert float(equal.value) == pytest.approx(level)
    dominated = torch.full((k, 1), level, dtype=torch.float64)
    dominated[0] += 500
    assert float(log_mean_weight(dominated).effective_sample_size) == pytest.approx(1)


def test_no_sample_is_refused() -> None:
    model, x = model_and_images(1, 1)
    with pytest.raises(ValueError, match=r"samples=0: .*accepted: "):
        importance_weighted_log_likelihood(x, model.decode, model.prior, model.posterior(x), samples=0)
