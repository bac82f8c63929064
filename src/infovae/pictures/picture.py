"""The base class of all pictures."""

from abc import ABC, abstractmethod

import numpy as np
from jaxtyping import UInt8

from infovae.errors import require_at_least
from infovae.model import Model, Observed

Pixels = UInt8[np.ndarray, "height width 3"]
"""A picture as bytes of red, green and blue, the first row on top."""


class Picture(ABC):
    """Draw something of a model, from the first examples of a split as the model sees them.

    Args:
        examples: how many examples it wants; a smaller split gives all it has.
        least: the smallest number that it can want.
    """

    def __init__(self, examples: int, least: int = 0) -> None:
        require_at_least(least, examples=examples)
        self.examples = examples

    @abstractmethod
    def draw(self, model: Model, observed: Observed) -> Pixels | None:
        """Return the picture, or None for nothing to draw. Called without gradient, on its own random stream."""
