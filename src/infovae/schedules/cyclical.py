"""A warm-up that is repeated."""

from infovae.errors import ArgumentError, require_at_least
from infovae.schedules.ramp import Ramp


class Cyclical(Ramp):
    """Rise from ``start`` to ``end`` and stay there for the rest of the cycle, several times over (Fu et al. 2019).

    Source: Fu et al., *Cyclical Annealing Schedule*, arXiv 1903.10145, equations (6) and (7).

    Args:
        start: the value at the beginning of each cycle.
        end: the value at the end of each cycle, and from step ``steps`` on.
        steps: how many optimiser steps all cycles take together.
        cycles: how many there are.
        rising: the share of a cycle in which the value rises, in a straight line.
    """

    def __init__(self, start: float, end: float, steps: int, cycles: int = 4, rising: float = 0.5) -> None:
        require_at_least(1, cycles=cycles)
        if not 0 < rising <= 1:
            raise ArgumentError("rising", f"{rising:g}", "shares above 0 and of at most 1")
        if steps < cycles:
            raise ArgumentError("steps", steps, f"whole numbers of at least {cycles}", f"too few for {cycles} cycles")
        self.cycles, self.rising = cycles, rising
        super().__init__(start, end, steps)

    def progress(self, step: int) -> float:
        within = (step * self.cycles % self.steps) / self.steps
        return min(1.0, within / self.rising)
