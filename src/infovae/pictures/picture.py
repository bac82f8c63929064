"""What a picture is."""

from abc import ABC, abstractmethod

import numpy as np
from jaxtyping import UInt8

from infovae.model import Model, Observed

Pixels = UInt8[np.ndarray, "height width 3"]
"""A drawn picture: red, green and blue as bytes, the first row on top."""


class Picture(ABC):
    """Draws something of a model, and of the first examples of a split as the model sees them.

    Args:
        examples: how many it wants; where the split has fewer, it gets those.
    """

    def __init__(self, examples: int) -> None:
        require_at_least(0, examples=examples)
        self.examples = examples

    @abstractmethod
    def draw(self, model: Model, observed: Observed) -> Pixels | None:
        """The picture; None where there is nothing to draw. Called without gradient, on a random stream of its own."""


def require_at_least(least: int, **arguments: int) -> None:
    """Refuse counts that are too small.

    Raises:
        ValueError: names the argument, its value and what would be accepted.
    """
    for name, value in arguments.items():
        if value < least:
            raise ValueError(f"{name}={value}: invalid; accepted: whole numbers of at least {least}")
