"""The weight under which the rate has a chosen value."""

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.errors import ArgumentError
from infovae.schedules.controller import Controller, positive
from infovae.terms import Terms


class HoldRate(Controller):
    """Set the weight by proportional-integral control of the rate, as ControlVAE does.

    With e = target - rate, the weight is proportional / (1 + exp(e)) plus an integral, which falls by integral * e in
    each step. Both parts stay between ``low`` and ``high``, so the integral can't wind up while the weight is at a
    bound.

    Source: Shao et al. 2020, *ControlVAE*, arXiv 2004.05988, algorithm 1, whose integral begins at 0.

    Args:
        target: of the rate, in nats per example.
        start, low, high, evaluated_at: see :class:`infovae.schedules.controller.Controller`.
        proportional: the weight's share that answers at once.
        integral: by how much the weight moves in a step, for each nat.
    """

    watches = "rate"

    accumulated: Float[Tensor, ""]

    def __init__(
        self,
        target: float,
        start: float = 1.0,
        low: float = 0.0,
        high: float = 100.0,
        evaluated_at: float = 1.0,
        proportional: float = 0.01,
        integral: float = 1e-3,
    ) -> None:
        positive(target=target, integral=integral)
        if not 0 <= proportional < float("inf"):
            raise ArgumentError("proportional", f"{proportional:g}", "finite values of at least 0")
        super().__init__(start, low, high, evaluated_at)
        self.target, self.proportional, self.integral = target, proportional, integral
        self.register_buffer("accumulated", torch.tensor(start, dtype=torch.float32))

    @torch.no_grad()
    def after_step(self, terms: Terms) -> None:
        error = self.target - terms.rate
        self.accumulated.sub_(self.integral * error).clamp_(self.low, self.high)
        self.value.copy_(self.proportional * torch.sigmoid(-error) + self.accumulated).clamp_(self.low, self.high)
