"""Dual ascent on a constraint (GECO)."""

from abc import abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.errors import ArgumentError
from infovae.schedules.controller import Controller, positive
from infovae.terms import Terms


class DualAscent(Controller):
    """Multiply the weight by exp(± speed * C) after each step, where C is a moving average of the constraint's excess.

    Source: Rezende, Viola 2018, *Taming VAEs*, arXiv 1810.00597, algorithm 1. C above 0 means that the constraint is
    violated. One step changes the logarithm of the weight by at most ``most``: the excess of an untrained model is
    hundreds of times larger than that of a trained one.

    Args:
        start, low, high, evaluated_at: see :class:`infovae.schedules.controller.Controller`.
        speed: of the logarithm of the weight, for each step and unit of excess.
        most: the largest change of that logarithm in a step.
        decay: of the moving average.
    """

    sign: ClassVar[int]
    """1 if a larger weight lowers the excess, -1 if a smaller one does."""

    average: Float[Tensor, ""]

    def __init__(
        self, start: float, low: float, high: float, evaluated_at: float, speed: float, most: float, decay: float
    ) -> None:
        positive(low=low, speed=speed, most=most)
        if not 0 <= decay < 1:
            raise ArgumentError("decay", f"{decay:g}", "values of at least 0 and below 1")
        super().__init__(start, low, high, evaluated_at)
        self.speed, self.most, self.decay = speed, most, decay
        self.register_buffer("average", torch.tensor(torch.nan))

    @abstractmethod
    def excess(self, terms: Terms) -> Float[Tensor, ""]:
        """Return by how much the constraint is violated; below 0 if it holds."""

    @torch.no_grad()
    def after_step(self, terms: Terms) -> None:
        excess = self.excess(terms)
        average = self.decay * self.average + (1 - self.decay) * excess
        self.average.copy_(torch.where(self.average.isnan(), excess, average))  # nan before the first step
        change = (self.speed * self.average).clamp(-self.most, self.most)
        self.value.mul_(torch.exp(self.sign * change)).clamp_(self.low, self.high)
