"""log p(x) by annealed importance sampling (Neal 2001; Wu et al. 2017, arXiv 1611.04273), bounded from both sides.

Chains go along densities from one that can be sampled to p(z, x). Forward chains, from a sample of the start, give
weights of mean p(x), so that log of their average lies below log p(x) in expectation. Backward chains, from a sample of
p(z|x), give weights of mean 1 / p(x), so that it lies above (bidirectional Monte Carlo, Grosse et al. 2015). Such a
sample is known where x was itself simulated: z ~ p(z), x ~ p(x|z).

Both need transitions that don't depend on the chain's own past. Step sizes are therefore adapted on chains of their own
(:func:`adapt_step_sizes`), which are then dropped, and kept fixed for those that count.
"""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from infovae.metrics.hamiltonian import GeometricPath, hamiltonian_transition
from infovae.metrics.log_weights import LogLikelihood, log_mean_weight

ADAPTATION_RATE = 0.1
"""By how much log step size moves for an acceptance that is off its target by 1."""


def linear_schedule(temperatures: int) -> Float64[Tensor, " t"]:
    """Inverse temperatures from 0 to 1, evenly spaced, ``temperatures`` steps apart.

    Raises:
        ValueError: fewer than 1 step.
    """
    if temperatures < 1:
        raise ValueError(f"temperatures={temperatures}: accepted are whole numbers of at least 1")
    return torch.linspace(0, 1, temperatures + 1, dtype=torch.float64)


def sigmoidal_schedule(temperatures: int, steepness: float = 4.0) -> Float64[Tensor, " t"]:
    """Inverse temperatures along a sigmoid, dense at both ends, as Wu et al. 2017 take them.

    Raises:
        ValueError: fewer than 1 step, or a steepness that isn't above 0.
    """
    if not steepness > 0:
        raise ValueError(f"steepness={steepness:g}: accepted are values above 0")
    curve = torch.sigmoid(steepness * (2 * linear_schedule(temperatures) - 1))
    return (curve - curve[0]) / (curve[-1] - curve[0])


def adapt_step_sizes(
    path: GeometricPath,
    schedule: Float64[Tensor, " t"],
    chains: int,
    leapfrog_steps: int = 10,
    target_acceptance: float = 0.65,
    initial_step_size: float = 0.1,
) -> Float[Tensor, "s c n"]:
    """The step size of each transition, by forward chains that adapt theirs, each by itself, to a target acceptance.

    Raises:
        ValueError: a target outside of (0, 1), or another number that isn't above 0.
    """
    if not 0 < target_acceptance < 1:
        raise ValueError(f"target_acceptance={target_acceptance:g}: accepted are values above 0 and below 1")
    for name, number in (
        ("chains", chains),
        ("leapfrog_steps", leapfrog_steps),
        ("initial_step_size", initial_step_size),
    ):
        if not number > 0:
            raise ValueError(f"{name}={number:g}: accepted are values above 0")
    state = path.at(path.sample_start(chains))
    step_size = torch.full_like(state.log_ratio, initial_step_size).to(state.z.dtype)
    used = step_size.new_empty(len(schedule) - 1, *step_size.shape)
    for transition, beta in enumerate(schedule[1:]):
        used[transition] = step_size
        state, acceptance = hamiltonian_transition(path, state, beta, step_size, leapfrog_steps)
        step_size = step_size * (ADAPTATION_RATE * (acceptance - target_acceptance)).exp().to(step_size.dtype)
    return used


def forward_log_likelihood(
    path: GeometricPath,
    schedule: Float64[Tensor, " t"],
    step_sizes: Float[Tensor, "s c n"],
    leapfrog_steps: int = 10,
) -> tuple[LogLikelihood, Float64[Tensor, " n"]]:
    """log p(x) from below, by chains that go from the path's start to p(z|x).

    Memory is that of decoding chains * images codes, with gradient, at once.

    Args:
        path: from the start to p(z, x).
        schedule: ascending inverse temperatures, from 0 to 1.
        step_sizes: of each transition, for each chain and image; from :func:`adapt_step_sizes`.
        leapfrog_steps: of each transition.

    Returns:
        the estimate over chains in nats, and each image's mean acceptance.
    """
    state = path.at(path.sample_start(step_sizes.shape[1]))
    log_weight, acceptance_sum = torch.zeros_like(state.log_ratio), torch.zeros_like(state.log_ratio)
    for step_size, cooler, beta in zip(step_sizes, schedule[:-1], schedule[1:], strict=True):
        log_weight += (beta - cooler) * state.log_ratio
        state, acceptance = hamiltonian_transition(path, state, beta, step_size, leapfrog_steps)
        acceptance_sum += acceptance
    return log_mean_weight(log_weight), (acceptance_sum / len(step_sizes)).mean(dim=0)


def backward_log_likelihood(
    path: GeometricPath,
    posterior_sample: Float[Tensor, "n d"],
    schedule: Float64[Tensor, " t"],
    step_sizes: Float[Tensor, "s c n"],
    leapfrog_steps: int = 10,
) -> tuple[LogLikelihood, Float64[Tensor, " n"]]:
    """log p(x) from above, by chains that go back from a true sample of p(z|x).

    The bound is one for simulated x only; a sample of q(z|x) in the place of p(z|x) voids it. All chains of an image
    start from its one sample: the bound holds, but the standard error leaves out what that sample shares among them.

    Args:
        path: as for :func:`forward_log_likelihood`.
        posterior_sample: the z that each x was simulated from.
        schedule: as there.
        step_sizes: as there.
        leapfrog_steps: as there.

    Returns:
        the estimate over chains in nats, and each image's mean acceptance.
    """
    state = path.at(posterior_sample.expand(step_sizes.shape[1], *posterior_sample.shape))
    log_weight, acceptance_sum = torch.zeros_like(state.log_ratio), torch.zeros_like(state.log_ratio)
    for step_size, cooler, beta in zip(step_sizes.flip(0), schedule[:-1].flip(0), schedule[1:].flip(0), strict=True):
        state, acceptance = hamiltonian_transition(path, state, beta, step_size, leapfrog_steps)
        acceptance_sum += acceptance
        log_weight -= (beta - cooler) * state.log_ratio
    inverse = log_mean_weight(log_weight)
    return inverse._replace(value=-inverse.value), (acceptance_sum / len(step_sizes)).mean(dim=0)
