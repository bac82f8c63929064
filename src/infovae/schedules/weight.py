"""The interface of a weight that moves: a schedule or a controller in the place of alpha, lambda_ or beta."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn


class MovingWeight(nn.Module, ABC):
    """A number of the objective that moves during training.

    ``value`` is a tensor on the training device that changes in place, so a compiled step is not compiled again and a
    GPU never waits for the processor.

    Args:
        start: the value of the first step.
        evaluated_at: the value by which validation, test and ``best.ckpt`` weigh in every epoch, so that epochs
            compare.
        persistent: whether checkpoints hold the value.
    """

    value: Float[Tensor, ""]

    def __init__(self, start: float, evaluated_at: float, persistent: bool) -> None:
        super().__init__()
        self.evaluated_at = evaluated_at
        self.register_buffer("value", torch.tensor(start, dtype=torch.float32), persistent=persistent)

    @property
    def length(self) -> int:
        """Return the number of steps after which the value is ``evaluated_at`` for good; 0 if none is known."""
        return 0

    @property
    def turns(self) -> tuple[int, ...]:
        """Return the steps, counted from 0, at which the value can be smallest or largest."""
        return ()

    @abstractmethod
    def range_at(self, step: int) -> tuple[float, ...]:
        """Return the values that are possible at a step, counted from 0: one, or the least and the greatest."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """Follow the model to its device alone: half precision would lose small changes of the value."""
        return super()._apply(lambda tensor: tensor.to(fn(tensor).device), recurse)
