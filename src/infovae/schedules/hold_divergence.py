"""The smallest lambda_ under which the divergence stays within its noise."""

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.schedules.controller import positive
from infovae.schedules.dual_ascent import DualAscent
from infovae.terms import Terms


class HoldDivergence(DualAscent):
    """Raise the weight while the divergence is above ``limit``, and lower it otherwise: dual ascent as in GECO.

    The excess is relative to the limit, D / limit - 1, so ``speed`` means the same for each divergence and kernel.

    Args:
        limit: in the divergence's own units. ``noise`` takes the size of D between batches of the prior: its mean plus
            its standard deviation, which is measured before the first step and kept in checkpoints.
        start, low, high, evaluated_at, most, decay: see :class:`infovae.schedules.dual_ascent.DualAscent`.
        speed: of the logarithm of the weight, for each step in which D is twice the limit.
    """

    watches = "divergence"
    sign = 1

    bound: Float[Tensor, ""]

    def __init__(
        self,
        limit: float | Literal["noise"] = "noise",
        start: float = 100.0,
        low: float = 1.0,
        high: float = 1e4,
        evaluated_at: float = 100.0,
        speed: float = 1e-3,
        most: float = 0.01,
        decay: float = 0.99,
    ) -> None:
        if limit != "noise":
            positive(limit=limit)
        super().__init__(start, low, high, evaluated_at, speed, most, decay)
        self.needs_noise_level = limit == "noise"
        self.register_buffer("bound", torch.tensor(torch.nan if limit == "noise" else limit))

    def prepare(self, noise_level: Callable[[], Float[Tensor, ""]]) -> None:
        if self.bound.isnan():
            self.bound.copy_(noise_level())

    def excess(self, terms: Terms) -> Float[Tensor, ""]:
        return terms.divergence / self.bound - 1
