"""Hamiltonian transitions along a path of densities, for many chains at once (Neal 2011, arXiv 1206.1901)."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.distributions import Distribution

from infovae.exact import exact
from infovae.metrics.log_weights import Decode


class State(NamedTuple):
    """The positions of c chains for each of n examples, with the densities and gradients there.

    Attributes:
        z: positions.
        log_start: log density of the path's start.
        log_ratio: log density of its end minus that of its start.
        start_gradient: of ``log_start``.
        ratio_gradient: of ``log_ratio``.
    """

    z: Float[Tensor, "c n d"]
    log_start: Float64[Tensor, "c n"]
    log_ratio: Float64[Tensor, "c n"]
    start_gradient: Float[Tensor, "c n d"]
    ratio_gradient: Float[Tensor, "c n d"]

    def log_density(self, beta: Tensor) -> Float64[Tensor, "c n"]:
        """Return the log density of the path at inverse temperature beta."""
        return self.log_start + beta * self.log_ratio

    def gradient(self, beta: Tensor) -> Float[Tensor, "c n d"]:
        """Return the gradient of :meth:`log_density`."""
        return self.start_gradient + beta.to(self.z.dtype) * self.ratio_gradient


@dataclass(frozen=True)
class GeometricPath:
    """The densities start(z)^(1 - beta) (p(z) p(x|z))^beta, from one that can be sampled to p(z, x).

    Attributes:
        x: the examples.
        decode: gives p(x|z).
        prior: p(z) with event shape (d,).
        proposal: the start of the path, with batch shape () or (n,); the prior if None.
    """

    x: Float[Tensor, "n c *s"]
    decode: Decode
    prior: Distribution
    proposal: Distribution | None = None

    def sample_start(self, chains: int) -> Float[Tensor, "c n d"]:
        """Return draws from the start, independent over chains and examples."""
        if self.proposal is not None and self.proposal.batch_shape:
            return self.proposal.sample(torch.Size((chains,)))
        return (self.proposal or self.prior).sample(torch.Size((chains, len(self.x))))

    def at(self, z: Float[Tensor, "c n d"]) -> State:
        """Return the densities and gradients at z."""
        # Lightning evaluates in inference mode, which would switch autograd off here too.
        with torch.inference_mode(False), torch.enable_grad():
            z = z.detach().clone().requires_grad_()
            x = self.x.clone().expand(len(z), *self.x.shape).flatten(0, 1)
            log_ratio = self.decode(z.flatten(0, 1)).log_prob(x).reshape(z.shape[:2])
            log_start = self.prior.log_prob(z)
            if self.proposal is not None:
                log_prior, log_start = log_start, self.proposal.log_prob(z)
                log_ratio = log_ratio + log_prior - log_start
            # A uniform density has no gradient graph, so one of value 0 is added.
            attached = log_start.sum() + 0 * z.sum()
            (start_gradient,) = torch.autograd.grad(attached, z, retain_graph=True)
            (ratio_gradient,) = torch.autograd.grad(log_ratio.sum(), z)
        return State(z.detach(), exact(log_start.detach()), exact(log_ratio.detach()), start_gradient, ratio_gradient)


def leapfrog(
    path: GeometricPath,
    state: State,
    momentum: Float[Tensor, "c n d"],
    beta: Float64[Tensor, ""],
    step_size: Float[Tensor, "c n"],
    steps: int,
) -> tuple[State, Float[Tensor, "c n d"]]:
    """Follow Hamilton's equations with unit mass by leapfrog steps, which are reversible and preserve volume."""
    size = step_size.unsqueeze(-1)
    momentum = momentum + 0.5 * size * state.gradient(beta)
    for step in range(steps):
        state = path.at(state.z + size * momentum)
        momentum = momentum + (1.0 if step < steps - 1 else 0.5) * size * state.gradient(beta)
    return state, momentum


def hamiltonian_transition(
    path: GeometricPath,
    state: State,
    beta: Float64[Tensor, ""],
    step_size: Float[Tensor, "c n"],
    steps: int,
) -> tuple[State, Float64[Tensor, "c n"]]:
    """Make one transition that leaves the path's density at beta invariant and is its own reverse.

    Returns:
        The new positions, and each proposal's probability of acceptance. A trajectory that diverges to nan is rejected.
    """
    momentum = torch.randn_like(state.z)
    proposed, final_momentum = leapfrog(path, state, momentum, beta, step_size, steps)
    kinetic = 0.5 * (exact(momentum).square().sum(dim=-1) - exact(final_momentum).square().sum(dim=-1))
    log_ratio = proposed.log_density(beta) - state.log_density(beta) + kinetic
    acceptance = log_ratio.nan_to_num(nan=-torch.inf, posinf=0.0).clamp_max(0).exp()
    accepted = torch.rand_like(acceptance) < acceptance
    moved = [
        torch.where(accepted.to(new.device).reshape(accepted.shape + (1,) * (new.ndim - 2)), new, old)
        for new, old in zip(proposed, state, strict=True)
    ]
    return State(*moved), acceptance
