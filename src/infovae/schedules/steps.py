"""Values that are constant in between."""

import math
from collections.abc import Sequence

from infovae.errors import ArgumentError
from infovae.schedules.schedule import Schedule


class Steps(Schedule):
    """Take the next of the values at each of the milestones.

    Args:
        values: one more than there are milestones.
        milestones: the optimiser steps at which the value changes, in ascending order.
    """

    def __init__(self, values: Sequence[float], milestones: Sequence[int]) -> None:
        if not all(map(math.isfinite, values)):
            raise ArgumentError("values", list(values), "finite numbers")
        if sorted(set(milestones)) != list(milestones) or min(milestones, default=1) < 1:
            raise ArgumentError("milestones", list(milestones), "whole numbers of at least 1 in ascending order")
        if len(values) != len(milestones) + 1:
            raise ArgumentError("values", list(values), f"{len(milestones) + 1} numbers, one more than milestones")
        self.values, self.milestones = tuple(values), tuple(milestones)
        super().__init__()

    @property
    def length(self) -> int:
        return max(self.milestones, default=0)

    @property
    def turns(self) -> tuple[int, ...]:
        return (0, *self.milestones)

    def at(self, step: int) -> float:
        return self.values[sum(step >= milestone for milestone in self.milestones)]
