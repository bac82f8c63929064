"""The interface of a controller: a weight that follows what the training steps measure."""

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor

from infovae.errors import ArgumentError
from infovae.schedules.weight import MovingWeight
from infovae.terms import Terms


class Controller(MovingWeight):
    """A weight that is set after each step from the terms of that step.

    In the place of alpha, a controller sets 1 - alpha, the weight on the rate.

    Args:
        start: the weight of the first step.
        low: the smallest weight.
        high: the largest weight.
        evaluated_at: the weight in validation, test and ``best.ckpt``, since nobody knows where the weight will end.
    """

    watches: ClassVar[Literal["reconstruction", "rate", "divergence"]]
    """The term that the controller holds."""

    needs_noise_level: bool = False
    """Whether :meth:`prepare` asks for the noise of the divergence."""

    def __init__(self, start: float, low: float, high: float, evaluated_at: float) -> None:
        if not 0 <= low < math.inf:
            raise ArgumentError("low", f"{low:g}", "finite values of at least 0")
        if not low < high < math.inf:
            raise ArgumentError("high", f"{high:g}", f"finite values above low, which is {low:g}")
        for name, value in (("start", start), ("evaluated_at", evaluated_at)):
            if not low <= value <= high:
                raise ArgumentError(name, f"{value:g}", f"values from low to high, {low:g} to {high:g}")
        super().__init__(start, evaluated_at, persistent=True)
        self.low, self.high = low, high

    def range_at(self, step: int) -> tuple[float, ...]:
        return (self.low, self.high)

    def prepare(self, noise_level: Callable[[], Float[Tensor, ""]]) -> None:
        """Take what must be known before the first step; nothing by default.

        Args:
            noise_level: returns the size of the divergence between batches of the prior.
        """

    @abstractmethod
    def after_step(self, terms: Terms) -> None:
        """Set ``value`` for the next step, from the terms of this step's global batch, without gradient."""


def positive(**arguments: float) -> None:
    """Check that every argument is a finite number above 0.

    Raises:
        ArgumentError: names the first argument that isn't, and its value.
    """
    for name, value in arguments.items():
        if not 0 < value < math.inf:
            raise ArgumentError(name, f"{value:g}", "finite values above 0")
