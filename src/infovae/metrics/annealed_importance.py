"""log p(x) by annealed importance sampling (Neal 2001; Wu et al. 2017, arXiv 1611.04273), bounded from both sides.

Chains move along a path of densities, from one that can be sampled to p(z, x). Forward chains start from a sample of
the first and give weights of mean p(x); the log of their average lies below log p(x) in expectation. Backward chains
start from a sample of p(z|x) and give weights of mean 1 / p(x); their estimate lies above (bidirectional Monte Carlo,
Grosse et al. 2015). Such a sample is known for simulated images: z ~ p(z), x ~ p(x|z).

Both bounds need transitions that don't depend on the chain's own past. Step sizes are therefore adapted on separate
chains (:func:`adapt_step_sizes`), then fixed for the chains that count.
"""

from typing import Literal

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from infovae.errors import ArgumentError, require_at_least
from infovae.metrics.averages import averaged
from infovae.metrics.hamiltonian import GeometricPath, hamiltonian_transition
from infovae.metrics.log_weights import LogLikelihood, log_mean_weight, summarise
from infovae.metrics.metric import ExampleMetric
from infovae.model import Model

ADAPTATION_RATE = 0.1
"""The change of the log step size for an acceptance that is off its target by 1."""


def linear_schedule(temperatures: int) -> Float64[Tensor, " t"]:
    """Return ``temperatures`` + 1 inverse temperatures from 0 to 1, evenly spaced.

    Raises:
        ValueError: fewer than 1 step.
    """
    require_at_least(1, temperatures=temperatures)
    return torch.linspace(0, 1, temperatures + 1, dtype=torch.float64)


def sigmoidal_schedule(temperatures: int, steepness: float = 4.0) -> Float64[Tensor, " t"]:
    """Return inverse temperatures along a sigmoid, dense at both ends, as in Wu et al. 2017.

    Raises:
        ValueError: fewer than 1 step, or a steepness that isn't above 0.
    """
    if not steepness > 0:
        raise ArgumentError("steepness", steepness, "values above 0", "no sigmoid")
    curve = torch.sigmoid(steepness * (2 * linear_schedule(temperatures) - 1))
    return (curve - curve[0]) / (curve[-1] - curve[0])


def check_acceptance(target_acceptance: float) -> None:
    """Check that a target acceptance can be reached.

    Raises:
        ValueError: it isn't inside (0, 1).
    """
    if not 0 < target_acceptance < 1:
        raise ArgumentError("target_acceptance", target_acceptance, "values above 0, below 1")


def adapt_step_sizes(
    path: GeometricPath,
    schedule: Float64[Tensor, " t"],
    chains: int,
    leapfrog_steps: int = 10,
    target_acceptance: float = 0.65,
    initial_step_size: float = 0.1,
) -> Float[Tensor, "s c n"]:
    """Return the step size of each transition, from forward chains that each adapt theirs to a target acceptance.

    Raises:
        ValueError: a target outside of (0, 1), or another number that isn't above 0.
    """
    check_acceptance(target_acceptance)
    require_at_least(1, chains=chains, leapfrog_steps=leapfrog_steps)
    if not initial_step_size > 0:
        raise ArgumentError("initial_step_size", initial_step_size, "values above 0", "chains can't move")
    state = path.at(path.sample_start(chains))
    step_size = torch.full_like(state.log_ratio, initial_step_size).to(state.z)
    used = step_size.new_empty(len(schedule) - 1, *step_size.shape)
    for transition, beta in enumerate(schedule[1:]):
        used[transition] = step_size
        state, acceptance = hamiltonian_transition(path, state, beta, step_size, leapfrog_steps)
        step_size = step_size * (ADAPTATION_RATE * (acceptance - target_acceptance)).exp().to(step_size)
    return used


def forward_log_likelihood(
    path: GeometricPath,
    schedule: Float64[Tensor, " t"],
    step_sizes: Float[Tensor, "s c n"],
    leapfrog_steps: int = 10,
) -> tuple[LogLikelihood, Float64[Tensor, " n"]]:
    """Estimate log p(x) from below, by chains from the path's start to p(z|x).

    Memory is that of decoding chains * images codes at once, with gradient.

    Args:
        path: from the start to p(z, x).
        schedule: ascending inverse temperatures, from 0 to 1.
        step_sizes: of each transition, for each chain and image; from :func:`adapt_step_sizes`.
        leapfrog_steps: of each transition.

    Returns:
        The estimate over chains in nats, and each image's mean acceptance.
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
    """Estimate log p(x) from above, by chains that go back from a true sample of p(z|x).

    The bound holds for simulated x only: a sample of q(z|x) in the place of p(z|x) voids it. All chains of an image
    start from its one sample. The bound still holds, but the standard error leaves out what the chains share.

    Args:
        posterior_sample: the z that each x was simulated from.
        path, schedule, step_sizes, leapfrog_steps: as for :func:`forward_log_likelihood`.
    """
    state = path.at(posterior_sample.expand(step_sizes.shape[1], *posterior_sample.shape))
    log_weight, acceptance_sum = torch.zeros_like(state.log_ratio), torch.zeros_like(state.log_ratio)
    for step_size, cooler, beta in zip(step_sizes.flip(0), schedule[:-1].flip(0), schedule[1:].flip(0), strict=True):
        state, acceptance = hamiltonian_transition(path, state, beta, step_size, leapfrog_steps)
        acceptance_sum += acceptance
        log_weight -= (beta - cooler) * state.log_ratio
    inverse = log_mean_weight(log_weight)
    return inverse._replace(value=-inverse.value), (acceptance_sum / len(step_sizes)).mean(dim=0)


class AnnealedImportance(ExampleMetric):
    """log p(x) of the first images of a split by annealed importance sampling, and how far off it may be.

    ``annealed_log_likelihood`` and its companions (:func:`log_weights.summarise`) are a lower bound for the split's
    images. As many images are simulated from the model, and both bounds are known for these:
    ``simulated_lower_bound`` and ``simulated_upper_bound`` enclose the average true value, but for their standard
    errors. ``simulated_gap``, their average difference, is how much the lower bound may lack. Acceptance is averaged
    over all transitions; it is far from its target where the schedule is too coarse.

    Args:
        images, seconds: see :class:`infovae.metrics.metric.ExampleMetric`; one chunk is always measured.
        chains: for each image.
        temperatures: steps of the sigmoidal schedule.
        leapfrog_steps: of each transition.
        target_acceptance: the acceptance that step sizes are adapted to.
        start: where chains start, ``prior`` or ``posterior`` (which needs a density).
        chunk: how many images are annealed at a time.
    """

    def __init__(
        self,
        model: Model,
        images: int | None = None,
        seconds: float = 60.0,
        chains: int = 8,
        temperatures: int = 200,
        leapfrog_steps: int = 10,
        target_acceptance: float = 0.65,
        start: Literal["prior", "posterior"] = "prior",
        chunk: int = 25,
    ) -> None:
        super().__init__(model, images, seconds)
        require_at_least(1, chains=chains, leapfrog_steps=leapfrog_steps, chunk=chunk)
        check_acceptance(target_acceptance)
        self.chains = chains
        self.schedule = sigmoidal_schedule(temperatures)
        self.leapfrog_steps = leapfrog_steps
        self.target_acceptance = target_acceptance
        self.start = start
        self.chunk = chunk

    def compute(self) -> dict[str, Tensor]:
        real, lower, upper, acceptance = [], [], [], []
        for images, model in self.affordable(self.chunk, "annealed importance sampling"):
            n = len(images)
            z = self.model.prior.sample(n)
            simulated = model.decode(z).sample()
            path = self._path(model, torch.cat([images, simulated]))
            step_sizes = adapt_step_sizes(path, self.schedule, self.chains, self.leapfrog_steps, self.target_acceptance)
            forward, accepted = forward_log_likelihood(path, self.schedule, step_sizes, self.leapfrog_steps)
            backward, _ = backward_log_likelihood(
                self._path(model, simulated), z, self.schedule, step_sizes[:, :, n:], self.leapfrog_steps
            )
            real.append(LogLikelihood(*(part[:n] for part in forward)))
            lower.append(forward.value[n:])
            upper.append(backward.value)
            acceptance.append(accepted)
        bounds = {"simulated_lower_bound": torch.cat(lower), "simulated_upper_bound": torch.cat(upper)}
        bounds["simulated_gap"] = bounds["simulated_upper_bound"] - bounds["simulated_lower_bound"]
        measured = summarise(real, "annealed_log_likelihood", self.first[0][0].numel())
        return measured | {"annealed_acceptance": torch.cat(acceptance).mean()} | averaged(bounds)

    def _path(self, model: Model, x: Float[Tensor, "n c *s"]) -> GeometricPath:
        proposal = model.encode(x) if self.start == "posterior" else None
        return GeometricPath(x, model.decode, model.prior.distribution(), proposal)
