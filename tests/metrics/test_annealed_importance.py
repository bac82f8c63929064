"""Annealed importance sampling on a model whose log p(x) is known: exact, and bounded from both sides."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics.linear_gaussian import LinearGaussian
from torch import Tensor
from torch.distributions import Independent, Normal

from infovae.metrics import annealed_importance
from infovae.metrics.annealed_importance import (
    adapt_step_sizes,
    backward_log_likelihood,
    forward_log_likelihood,
    linear_schedule,
    sigmoidal_schedule,
)
from infovae.metrics.hamiltonian import GeometricPath, State, hamiltonian_transition, leapfrog
from infovae.priors.uniform import Uniform

STEPS = 5


def simulated(d: int, n: int, seed: int = 0) -> tuple[LinearGaussian, Tensor, Tensor]:
    torch.manual_seed(seed)
    model = LinearGaussian.random(d, d + 1)
    return model, *model.simulate(n)


def standard_error(values: Tensor) -> float:
    """Of the mean of independent values."""
    return float(values.std()) / math.sqrt(len(values))


@pytest.mark.parametrize("schedule", [linear_schedule(150), sigmoidal_schedule(150)], ids=["linear", "sigmoidal"])
@pytest.mark.parametrize("from_proposal", [False, True])
def test_it_agrees_with_the_exact_value_within_its_own_standard_error(schedule: Tensor, from_proposal: bool) -> None:
    n, chains = 40, 64
    model, _, x = simulated(2, n)
    proposal = model.wider_posterior(x, 1.5) if from_proposal else None
    path = GeometricPath(x, model.decode, model.prior, proposal)
    step_sizes = adapt_step_sizes(path, schedule, chains, STEPS)
    estimate, acceptance = forward_log_likelihood(path, schedule, step_sizes, STEPS)
    error, variance = estimate.value - model.log_likelihood(x), estimate.standard_error.square()
    # The bias is half the variance, to first order.
    assert abs(float((error + variance / 2).mean())) < 4.5 * math.sqrt(float(variance.sum())) / n
    # Both are functions of the same second moment.
    implied = (chains / estimate.effective_sample_size - 1) / (chains - 1)
    torch.testing.assert_close(variance, implied, rtol=1e-9, atol=0)
    assert 0.4 < float(acceptance.mean()) < 0.95


@pytest.mark.parametrize("from_proposal", [False, True])
def test_the_exact_value_lies_between_forward_and_backward_chains(from_proposal: bool) -> None:
    n = 400
    model, z, x = simulated(2, n)
    exact = model.log_likelihood(x)
    gaps = []
    for temperatures in (4, 40):
        schedule = linear_schedule(temperatures)
        path = GeometricPath(x, model.decode, model.prior, model.wider_posterior(x, 3.0) if from_proposal else None)
        step_sizes = adapt_step_sizes(path, schedule, 1, STEPS, initial_step_size=0.4)
        below = exact - forward_log_likelihood(path, schedule, step_sizes, STEPS)[0].value
        above = backward_log_likelihood(path, z, schedule, step_sizes, STEPS)[0].value - exact
        # Strictly apart: with few temperatures the bounds are loose, and each on its own side.
        if temperatures == 4:
            assert float(below.mean()) > 4.5 * standard_error(below)
            assert float(above.mean()) > 4.5 * standard_error(above)
        assert float(below.mean()) > -4.5 * standard_error(below)
        assert float(above.mean()) > -4.5 * standard_error(above)
        gaps.append(below + above)
    assert float(gaps[0].mean() - gaps[1].mean()) > 4.5 * math.hypot(*map(standard_error, gaps))


def test_weights_have_the_mean_that_makes_them_bounds() -> None:
    """E w / p(x) = 1 forward and E 1/w * p(x) = 1 backward, over many chains of short schedules with fixed steps."""
    n = 20_000
    model, z, x = simulated(1, n, seed=4)
    schedule = linear_schedule(5)
    path = GeometricPath(x, model.decode, model.prior)
    step_sizes = torch.full((5, 1, n), 0.4, dtype=torch.float64)
    exact = model.log_likelihood(x)
    forward = (forward_log_likelihood(path, schedule, step_sizes, STEPS)[0].value - exact).exp()
    backward = (exact - backward_log_likelihood(path, z, schedule, step_sizes, STEPS)[0].value).exp()
    for ratio in (forward, backward):
        assert float(ratio.mean()) == pytest.approx(1, abs=4.5 * standard_error(ratio))


def test_leapfrog_is_reversible_and_nearly_conserves_energy() -> None:
    model, z, x = simulated(3, 7)
    path, beta = GeometricPath(x, model.decode, model.prior), torch.tensor(0.7, dtype=torch.float64)
    start = path.at(z.expand(2, 7, 3))
    momentum = torch.randn_like(start.z)

    def energy(state: object, p: Tensor) -> Tensor:
        return 0.5 * p.square().sum(dim=-1) - state.log_density(beta)  # type: ignore[attr-defined]

    changes = []
    for size, steps in ((0.02, 10), (0.01, 20)):
        step_size = torch.full((2, 7), size, dtype=torch.float64)
        end, final = leapfrog(path, start, momentum, beta, step_size, steps)
        back, returned = leapfrog(path, end, -final, beta, step_size, steps)
        torch.testing.assert_close(back.z, start.z, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(-returned, momentum, rtol=1e-9, atol=1e-9)
        changes.append(float((energy(end, final) - energy(start, momentum)).abs().mean()))
    # A method of second order: half the step, a quarter of the error, but for terms of fourth order.
    assert changes[0] / changes[1] == pytest.approx(4, rel=0.1)


def test_transitions_leave_the_posterior_as_it_is() -> None:
    n = 20_000
    model, _, x = simulated(1, 1, seed=2)
    many = x.expand(n, -1)
    posterior = model.posterior(many)
    path, beta = GeometricPath(many, model.decode, model.prior), torch.tensor(1.0, dtype=torch.float64)
    state = path.at(posterior.sample()[None])
    step_size = 0.9 * posterior.variance.sqrt()[None, :, 0]
    for _ in range(3):
        state, acceptance = hamiltonian_transition(path, state, beta, step_size, STEPS)
    assert 0 < float(acceptance.min()) < 1
    scores = ((state.z[0] - posterior.mean) / posterior.variance.sqrt()).squeeze(1)
    assert abs(float(scores.mean())) < 4.5 / math.sqrt(n)
    assert float(scores.var()) == pytest.approx(1, abs=4.5 * math.sqrt(2 / n))


@pytest.mark.parametrize("target", [0.5, 0.8])
def test_step_sizes_adapt_to_the_target_acceptance(target: float) -> None:
    model, _, x = simulated(8, 30)
    path, schedule = GeometricPath(x, model.decode, model.prior), torch.ones(301, dtype=torch.float64)
    schedule[0] = 0.0
    step_sizes = adapt_step_sizes(path, schedule, 4, STEPS, target_acceptance=target, initial_step_size=1.0)
    kept = step_sizes[-100:]
    schedule = torch.ones(101, dtype=torch.float64)
    _, acceptance = forward_log_likelihood(path, schedule, kept, STEPS)
    assert step_sizes[0].unique().tolist() == [1.0]
    # The gain is constant, so step sizes go on moving about their target, by 0.1 of a probability each step at most.
    assert float(acceptance.mean()) == pytest.approx(target, abs=0.1)


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4))
def test_shapes(d: int, n: int, chains: int, temperatures: int) -> None:
    model, z, x = simulated(d, n)
    schedule = sigmoidal_schedule(temperatures)
    path = GeometricPath(x, model.decode, model.prior)
    step_sizes = adapt_step_sizes(path, schedule, chains, 2)
    assert step_sizes.shape == (temperatures, chains, n)
    for estimate, acceptance in (
        forward_log_likelihood(path, schedule, step_sizes, 2),
        backward_log_likelihood(path, z, schedule, step_sizes, 2),
    ):
        assert estimate.value.shape == acceptance.shape == (n,)
        assert bool(estimate.value.isfinite().all())
        assert bool(estimate.standard_error.isnan().all()) == (chains == 1)
        assert bool(((acceptance >= 0) & (acceptance <= 1)).all())


def test_it_works_in_inference_mode_and_leaves_the_decoder_without_gradient() -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(2, 3)

    def decode(z: Tensor) -> torch.distributions.Distribution:
        return torch.distributions.Independent(torch.distributions.Bernoulli(logits=model(z)), 1)

    prior = torch.distributions.Independent(torch.distributions.Normal(torch.zeros(2), torch.ones(2)), 1)
    with torch.inference_mode():
        images = torch.ones(4, 3)
        path, schedule = GeometricPath(images, decode, prior), linear_schedule(3)
        step_sizes = adapt_step_sizes(path, schedule, 2, 2)
        estimate, _ = forward_log_likelihood(path, schedule, step_sizes, 2)
    assert bool(estimate.value.isfinite().all())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_prior_without_full_support_keeps_chains_inside() -> None:
    """Against the midpoint rule on the box: p(x) = 1/(2 h) int N(x; w z + b, s^2) dz."""
    model, _, x = simulated(1, 30)
    prior = Uniform(1).double()
    distribution, high = prior.distribution(), float(prior.high)
    grid = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 10_000 * high - high
    exact = torch.stack([model.decode(grid[:, None]).log_prob(image).logsumexp(0) for image in x]) - math.log(20_000)
    path, schedule = GeometricPath(x, model.decode, distribution), linear_schedule(40)
    step_sizes = adapt_step_sizes(path, schedule, 64, STEPS)
    estimate, _ = forward_log_likelihood(path, schedule, step_sizes, STEPS)
    variance = estimate.standard_error.square()
    error = estimate.value - exact + variance / 2
    assert abs(float(error.mean())) < 4.5 * math.sqrt(float(variance.sum())) / len(x)


@given(st.integers(1, 200))
def test_schedules_rise_from_0_to_1(temperatures: int) -> None:
    for schedule in (linear_schedule(temperatures), sigmoidal_schedule(temperatures)):
        assert len(schedule) == temperatures + 1
        assert schedule[0] == 0
        assert schedule[-1] == 1
        assert bool((schedule.diff() > 0).all())
        torch.testing.assert_close(schedule, 1 - schedule.flip(0))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("chains", 0), ("target_acceptance", 1.0), ("target_acceptance", 0.0), ("target_acceptance", -0.5),
        ("initial_step_size", 0.0), ("leapfrog_steps", 0),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(key: str, value: float) -> None:
    model, _, x = simulated(1, 1)
    path = GeometricPath(x, model.decode, model.prior)
    with pytest.raises(ValueError, match=f"{key}=.*: .*accepted: "):
        adapt_step_sizes(path, linear_schedule(2), **({"chains": 1} | {key: value}))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"temperatures=0: .*accepted: "):
        linear_schedule(0)
    with pytest.raises(ValueError, match=r"steepness=0: .*accepted: "):
        sigmoidal_schedule(3, 0)


def test_the_sigmoidal_schedule_is_a_sigmoid_stretched_to_0_and_1() -> None:
    expected = [1 / (1 + math.exp(-0.5 * x)) for x in (-1, -0.5, 0, 0.5, 1)]
    scaled = [(value - expected[0]) / (expected[-1] - expected[0]) for value in expected]
    assert sigmoidal_schedule(4, steepness=0.5).tolist() == pytest.approx(scaled)


def test_a_step_size_changes_by_a_tenth_of_what_its_acceptance_is_off() -> None:
    model, _, x = simulated(2, 7)
    path, schedule = GeometricPath(x, model.decode, model.prior), linear_schedule(2)
    torch.manual_seed(1)
    step_sizes = adapt_step_sizes(path, schedule, 3, STEPS, target_acceptance=0.8, initial_step_size=0.5)
    torch.manual_seed(1)
    state = path.at(path.sample_start(3))
    _, acceptance = hamiltonian_transition(path, state, schedule[1], step_sizes[0], STEPS)
    torch.testing.assert_close((step_sizes[1] / step_sizes[0]).log(), 0.1 * (acceptance - 0.8))


def test_backward_chains_repeat_the_forward_chains_transitions_in_reverse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each temperature has its own step size, for each chain and image."""
    model, z, x = simulated(2, 3)
    path, schedule = GeometricPath(x, model.decode, model.prior), linear_schedule(4)
    step_sizes = 0.1 + torch.rand(4, 2, 3, dtype=torch.float64)
    made = []

    def transition(path: GeometricPath, state: State, beta: Tensor, size: Tensor, steps: int) -> tuple[State, Tensor]:
        made.append((beta, size))
        return hamiltonian_transition(path, state, beta, size, steps)

    monkeypatch.setattr(annealed_importance, "hamiltonian_transition", transition)
    forward_log_likelihood(path, schedule, step_sizes, 1)
    backward_log_likelihood(path, z, schedule, step_sizes, 1)
    assert len(made) == 8
    for (beta, size), (back_beta, back_size) in zip(made[:4], made[:3:-1], strict=True):
        assert beta == back_beta
        assert torch.equal(size, back_size)


def test_trajectories_to_nowhere_are_rejected_and_those_from_nowhere_accepted() -> None:
    def decode(z: Tensor) -> Independent:
        return Independent(Normal(z, 1.0, validate_args=False), 1, validate_args=False)

    zeros, beta = torch.zeros(2).double(), torch.ones((), dtype=torch.float64)
    path = GeometricPath(torch.zeros(3, 2).double(), decode, decode(zeros))
    state = path.at(path.sample_start(4))
    step_size = torch.full((4, 3), 1e200, dtype=torch.float64)
    moved, acceptance = hamiltonian_transition(path, state, beta, step_size, STEPS)
    assert not acceptance.any()
    assert torch.equal(moved.z, state.z)
    nowhere = state._replace(log_start=torch.full_like(state.log_start, -torch.inf))
    moved, acceptance = hamiltonian_transition(path, nowhere, beta, 1e-203 * step_size, STEPS)
    assert (acceptance == 1).all()
    assert moved.log_start.isfinite().all()
