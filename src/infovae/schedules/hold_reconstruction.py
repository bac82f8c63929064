"""The largest penalty under which the reconstruction stays within a limit."""

import math

from jaxtyping import Float
from torch import Tensor

from infovae.errors import ArgumentError
from infovae.schedules.dual_ascent import DualAscent
from infovae.terms import Terms


class HoldReconstruction(DualAscent):
    """Lower the weight while the reconstruction is above ``limit``, and raise it otherwise (GECO).

    GECO minimises the rate subject to reconstruction <= limit, by a multiplier m on the reconstruction. Here the
    reconstruction has weight 1, so the rate, or the divergence, has weight 1 / m.

    Args:
        limit: in nats per example. Below 0 is possible for a likelihood with a density.
        start, low, high, evaluated_at, most, decay: see :class:`infovae.schedules.dual_ascent.DualAscent`.
        speed: of the logarithm of the weight, for each step and nat.
    """

    watches = "reconstruction"
    sign = -1

    def __init__(
        self,
        limit: float,
        start: float = 1.0,
        low: float = 1e-3,
        high: float = 1e3,
        evaluated_at: float = 1.0,
        speed: float = 1e-3,
        most: float = 0.01,
        decay: float = 0.99,
    ) -> None:
        if not math.isfinite(limit):
            raise ArgumentError("limit", f"{limit:g}", "finite numbers")
        super().__init__(start, low, high, evaluated_at, speed, most, decay)
        self.limit = limit

    def excess(self, terms: Terms) -> Float[Tensor, ""]:
        return terms.reconstruction - self.limit
