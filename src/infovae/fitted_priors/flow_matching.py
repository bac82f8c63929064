"""p(z) = where a learned velocity carries N(0, I) (Lipman et al. 2023, Flow Matching, arXiv 2210.02747)."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infovae.errors import require_at_least
from infovae.fitted_priors.by_gradient import Descent
from infovae.fitted_priors.fitted_prior import FittedPrior, Row

FREQUENCIES = 4
"""How many sines and cosines of time the network sees."""


class Velocity(nn.Module):
    """v(u, t), a network of two hidden layers beside the velocity that keeps N(0, I) as it is, with its divergence.

    For u_t = (1 - t) u_0 + t u_1 with both ends N(0, I), E[u_1 - u_0 | u_t] = c(t) u_t, c = (2t - 1)/(t^2 + (1 - t)^2).
    The network starts at 0, so the density starts as N(0, I).

    Args:
        dimension: d.
        hidden: width of both layers.
    """

    def __init__(self, dimension: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.Linear(dimension, hidden)
        self.time = nn.Linear(2 * FREQUENCIES, hidden, bias=False)
        self.second = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, dimension)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(
        self, u: Float[Tensor, "n d"], t: Float[Tensor, "#n 1"]
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        """Return v and its divergence, the trace of dv/du.

        With the slopes s_1, s_2 of the tanh layers and weights W_1, W_2, W_3, the trace of W_3 s_2 W_2 s_1 W_1 is
        s_2' M s_1, where M = W_2 * (W_1 W_3)'. It is exact, and costs one product with a matrix in any dimension.
        """
        angles = math.pi * t * torch.arange(1, FREQUENCIES + 1, dtype=u.dtype, device=u.device)
        below = torch.tanh(self.first(u) + self.time(torch.cat([angles.sin(), angles.cos()], dim=1)))
        above = torch.tanh(self.second(below))
        trace = self.second.weight * (self.first.weight @ self.last.weight).T
        divergence = ((1 - above.square()) * ((1 - below.square()) @ trace.T)).sum(dim=1)
        keep = (2 * t - 1) / (t.square() + (1 - t).square())
        return keep * u + self.last(above), keep.squeeze(1) * u.shape[1] + divergence


class FlowMatching(FittedPrior):
    """A flow in continuous time. It is fitted by regression on straight paths from noise to codes, without solving it.

    Samples and log p(z) come from fixed steps of Runge-Kutta's fourth order, forwards and backwards. Their errors fall
    with the fourth power of ``steps``.

    Args:
        hidden: width of the velocity's two hidden layers.
        steps: of the solver; each evaluates the velocity 4 times.
        epochs, patience, batch_size, learning_rate: see :class:`infovae.fitted_priors.by_gradient.Descent`.
    """

    def __init__(
        self,
        latent_dim: int,
        hidden: int = 256,
        steps: int = 16,
        epochs: int = 100,
        patience: int = 20,
        batch_size: int = 256,
        learning_rate: float = 5e-3,
    ) -> None:
        super().__init__(latent_dim)
        require_at_least(1, hidden=hidden, steps=steps)
        self.noise_dim = latent_dim
        self.steps = steps
        self.descent = Descent(epochs, patience, batch_size, learning_rate)
        self.velocity = Velocity(latent_dim, hidden)

    def fit_standardized(self, codes: Float[Tensor, "n d"], validation: Float[Tensor, "m d"]) -> list[Row]:
        return self.descent(self.velocity, self.regression, codes, validation)

    def regression(self, codes: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Return |v(u_t, t) - (u_1 - u_0)|^2 at a random time of the path from a draw of N(0, I) to each code."""
        noise, t = torch.randn_like(codes), torch.rand_like(codes[:, :1])
        velocity, _ = self.velocity((1 - t) * noise + t * codes, t)
        return (velocity - (codes - noise)).square().sum(dim=1)

    def transform(self, noise: Float[Tensor, "n k"]) -> Float[Tensor, "n d"]:
        return self._solve(noise, start=0.0, end=1.0)[0]

    def log_density(self, u: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        noise, gained = self._solve(u, start=1.0, end=0.0)
        return -0.5 * (noise.square() + math.log(2 * math.pi)).sum(dim=1) + gained

    def _solve(self, u: Tensor, start: float, end: float) -> tuple[Tensor, Tensor]:
        """Return where the velocity carries u, and the integral of its divergence on the way."""
        step, gained = (end - start) / self.steps, torch.zeros_like(u[:, 0])
        for i in range(self.steps):
            t = u.new_full((1, 1), start + i * step)
            slope_1, spread_1 = self.velocity(u, t)
            slope_2, spread_2 = self.velocity(u + step / 2 * slope_1, t + step / 2)
            slope_3, spread_3 = self.velocity(u + step / 2 * slope_2, t + step / 2)
            slope_4, spread_4 = self.velocity(u + step * slope_3, t + step)
            u = u + step / 6 * (slope_1 + 2 * slope_2 + 2 * slope_3 + slope_4)
            gained = gained + step / 6 * (spread_1 + 2 * spread_2 + 2 * spread_3 + spread_4)
        return u, gained
