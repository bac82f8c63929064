"""What schedules between two numbers have in common."""

import math
from abc import abstractmethod

from infovae.errors import ArgumentError, require_at_least
from infovae.schedules.schedule import Schedule


class Ramp(Schedule):
    """Go from ``start`` to ``end`` within ``steps`` steps.

    Args:
        start: the value of the first step.
        end: the value from step ``steps`` on.
        steps: how many optimiser steps it takes.
    """

    def __init__(self, start: float, end: float, steps: int) -> None:
        for name, value in (("start", start), ("end", end)):
            if not math.isfinite(value):
                raise ArgumentError(name, f"{value:g}", "finite numbers")
        require_at_least(1, steps=steps)
        self.start, self.end, self.steps = start, end, steps
        super().__init__()

    @property
    def length(self) -> int:
        return self.steps

    def at(self, step: int) -> float:
        if step >= self.steps:
            return self.end
        done = self.progress(step)
        return (1 - done) * self.start + done * self.end

    @abstractmethod
    def progress(self, step: int) -> float:
        """Return how far from start to end the value of a step below ``steps`` is, from 0 to 1."""
