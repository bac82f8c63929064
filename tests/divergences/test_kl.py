import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from torch import Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from infovae.codes import Codes
from infovae.divergences.kl import KL, stratified_log_aggregate, weighted_log_aggregate
from infovae.priors.standard_normal import StandardNormal


def posteriors(n: int, dimension: int, seed: int = 0, scale: float = 1.0, deviation: float = 0.5) -> Codes:
    generator = torch.Generator().manual_seed(seed)
    mean, noise, spread = torch.randn(3, n, dimension, generator=generator, dtype=torch.float64)
    standard_deviation = deviation * torch.exp(0.3 * spread)
    return Codes(scale * mean + standard_deviation * noise, scale * mean, standard_deviation.square(), n)


def pairwise_log_densities(codes: Codes) -> Tensor:
    """Every pair through torch's own density, in float64: the definition."""
    z, mean, variance = (part.double() for part in codes[:3])
    return Normal(mean, variance.sqrt()).log_prob(z[:, None]).sum(dim=-1)


def exact_mixture(codes: Codes) -> MixtureSameFamily:
    return MixtureSameFamily(
        Categorical(torch.ones(len(codes.mean), dtype=codes.mean.dtype)),
        Independent(Normal(codes.mean, codes.variance.sqrt()), 1),
    )


def chen_weights(n: int, dataset_size: int) -> Tensor:
    """Chen et al.'s weights for a batch whose first example made z, and whose last has the left-over weight."""
    others = n - 1
    weights = torch.full((n,), 1 / others, dtype=torch.float64)
    weights[0] = 1 / dataset_size
    weights[-1] = (dataset_size - others) / (dataset_size * others)
    return weights


def test_stratified_estimate_of_density_is_unbiased_and_averages_chens_over_orders() -> None:
    dataset_size, n = 7, 4
    codes = posteriors(dataset_size, 2)
    density = pairwise_log_densities(codes).exp()
    exact = density.mean(dim=1)
    ours, chens = [], []
    for batch in itertools.permutations(range(dataset_size), n):
        rows = torch.tensor(batch)
        log_density = pairwise_log_densities(Codes(*(part[rows] for part in codes[:3]), dataset_size))
        ours.append((batch[0], stratified_log_aggregate(log_density, dataset_size)[0].exp().item()))
        chens.append((batch[0], (chen_weights(n, dataset_size) @ density[batch[0], rows]).item()))
    for i in range(dataset_size):
        own = torch.tensor([value for first, value in ours if first == i], dtype=torch.float64)
        their = torch.tensor([value for first, value in chens if first == i], dtype=torch.float64)
        torch.testing.assert_close(own.mean(), exact[i])
        torch.testing.assert_close(their.mean(), exact[i])
        assert own.var() < their.var()
        # The orders of the other three come one after another, six by six: averaging them is Rao and Blackwell's step.
    by_set: dict[tuple[int, frozenset[int]], list[tuple[float, float]]] = {}
    for batch, (_, own_value), (_, their_value) in zip(
        itertools.permutations(range(dataset_size), n), ours, chens, strict=True
    ):
        by_set.setdefault((batch[0], frozenset(batch[1:])), []).append((own_value, their_value))
    for values in by_set.values():
        own, their = torch.tensor(values, dtype=torch.float64).unbind(dim=1)
        torch.testing.assert_close(own, torch.full_like(own, their.mean().item()))


def test_weights_sum_to_one() -> None:
    equal = torch.zeros(5, 5, dtype=torch.float64)
    torch.testing.assert_close(stratified_log_aggregate(equal, 40), torch.zeros(5, dtype=torch.float64))
    assert chen_weights(5, 40).sum().item() == pytest.approx(1)
    torch.testing.assert_close(weighted_log_aggregate(equal, 40), torch.full((5,), -math.log(40), dtype=torch.float64))


def test_is_the_exact_mixture_when_the_batch_is_the_data_set() -> None:
    codes = posteriors(50, 3)
    prior = StandardNormal(3).double()
    exact = (exact_mixture(codes).log_prob(codes.z) - prior.log_prob(codes.z)).mean()
    torch.testing.assert_close(KL()(codes, prior), exact)
    torch.testing.assert_close(KL(estimator="weighted")(codes, prior), exact - math.log(50))


@pytest.mark.parametrize("distance", [0.0, 1.0, 3.0])
def test_monte_carlo_mean_is_the_mixtures_kl_by_quadrature(distance: float) -> None:
    """Two components at +-distance, N(0, 1) prior; z drawn afresh for each of many data sets of two examples."""
    deviation, repeats = 0.5, 20000
    mean = torch.tensor([[-distance], [distance]], dtype=torch.float64)
    variance = torch.full_like(mean, deviation**2)

    def integrand(x: float) -> float:
        point = torch.tensor([x], dtype=torch.float64)
        log_q = mixture.log_prob(point).item()
        return math.exp(log_q) * (log_q - Normal(0.0, 1.0).log_prob(point).item())

    mixture = exact_mixture(Codes(mean, mean, variance, 2))
    exact = quad(integrand, -distance - 8, distance + 8, points=[-distance, distance], epsabs=1e-10, limit=200)[0]
    generator = torch.Generator().manual_seed(0)
    prior = StandardNormal(1).double()
    noise = torch.randn(repeats, 2, 1, generator=generator, dtype=torch.float64)
    values = torch.stack([KL()(Codes(mean + deviation * draw, mean, variance, 2), prior) for draw in noise[:2000]])
    standard_error = values.std() / math.sqrt(len(values))
    assert abs(values.mean() - exact) < 5 * standard_error


def test_weighted_estimate_lies_below_by_log_n_or_log_dataset_size() -> None:
    n, dataset_size = 8, 1000
    apart = torch.full((n, n), -1e4, dtype=torch.float64).fill_diagonal_(0)
    torch.testing.assert_close(
        stratified_log_aggregate(apart, dataset_size) - weighted_log_aggregate(apart, dataset_size),
        torch.full((n,), math.log(n), dtype=torch.float64),
    )
    alike = torch.zeros(n, n, dtype=torch.float64)
    torch.testing.assert_close(
        stratified_log_aggregate(alike, dataset_size) - weighted_log_aggregate(alike, dataset_size),
        torch.full((n,), math.log(dataset_size), dtype=torch.float64),
    )


@settings(deadline=None, max_examples=100)
@given(
    n=st.integers(1, 20),
    dimension=st.integers(1, 12),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
    deviation=st.sampled_from([1e-4, 1e-3, 1e-1, 1.0, 1e3]),
    offset=st.sampled_from([0.0, 3.0, 1e3]),
    seed=st.integers(0, 10),
)
def test_float32_densities_are_those_of_the_definition(
    n: int, dimension: int, scale: float, deviation: float, offset: float, seed: int
) -> None:
    double = posteriors(n, dimension, seed, scale, deviation)
    single = Codes(*((part + shift).float() for part, shift in zip(double[:3], (offset, offset, 0), strict=True)), n)
    # The codes as float32 holds them are the input: only what is done with them is on trial.
    exact = pairwise_log_densities(single)
    computed = single.density()(single.z)
    assert computed.dtype == torch.float32
    # One rounding to float32, and in float64 one for each of the terms that cancel, centred as they are.
    centred = (part.double() - single.mean.double().mean(dim=0) for part in single[:2])
    largest = sum(part.abs().amax(dim=0) for part in centred)
    cancelled = (largest.square() / single.variance.double().amin(dim=0)).sum().item()
    error = (computed.double() - exact).abs()
    assert (error <= 2**-23 * exact.abs() + 2**-53 * (3 * dimension + 4) * (cancelled + 100)).all()


def test_float32_gradient_is_that_of_float64() -> None:
    codes = posteriors(64, 4, deviation=1e-3)
    gradients = []
    for dtype in (torch.float32, torch.float64):
        leaves = [part.float().to(dtype).requires_grad_() for part in codes[:3]]
        KL()(Codes(*leaves, 640), StandardNormal(4).to(dtype)).backward()
        gradients.append([leaf.grad.double() for leaf in leaves])
    for single, double in zip(*gradients, strict=True):
        # Each weight of the logsumexp is known to about the rounding of its exponent, some tens of nats.
        torch.testing.assert_close(single, double, rtol=1e-4, atol=1e-4 * double.abs().max().item())


def test_batch_of_one_is_the_posterior_itself() -> None:
    codes = posteriors(1, 3)._replace(dataset_size=100)
    prior = StandardNormal(3).double()
    exact = (pairwise_log_densities(codes).squeeze() - prior.log_prob(codes.z)).mean()
    torch.testing.assert_close(KL()(codes, prior), exact)


def test_against_its_own_data_set_the_batch_s_estimate_is_low() -> None:
    """The density is unbiased, so by Jensen its logarithm is too small: by the nats that docs/divergences.md states."""
    dataset_size, repeats = 500, 200
    codes = posteriors(dataset_size, 5)
    exact = exact_mixture(codes).log_prob(codes.z)
    bias = []
    for n in (16, 64, 256):
        batches = [torch.randperm(dataset_size)[:n] for _ in range(repeats)]
        errors = torch.stack([
            (stratified_log_aggregate(codes.take(rows).density()(codes.z[rows]), dataset_size) - exact[rows]).mean()
            for rows in batches
        ])  # fmt: skip
        bias.append(errors.mean().item())
        assert bias[-1] < -5 * errors.std() / math.sqrt(repeats)
    assert bias == sorted(bias)
    assert bias == pytest.approx([-0.91, -0.35, -0.07], abs=0.12)


def test_against_the_population_narrow_posteriors_make_it_high() -> None:
    """x ~ N(0, 1 - V) and q(z|x) = N(x, V): q(z) of all x is the prior, that of N of them a comb of N needles."""
    n, variance, prior = 64, 1e-4, StandardNormal(2).double()
    estimates = []
    for _ in range(100):
        mean = math.sqrt(1 - variance) * torch.randn(n, 2, dtype=torch.float64)
        z = mean + math.sqrt(variance) * torch.randn_like(mean)
        estimates.append(KL()(Codes(z, mean, torch.full_like(mean, variance), n), prior))
    values = torch.stack(estimates)
    assert values.mean() > 5 * values.std() / math.sqrt(len(values))
