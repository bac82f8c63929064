"""Condition on columns of numbers that come with the data."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from infovae.conditions.condition import Condition
from infovae.errors import ArgumentError


class Columns(Condition):
    """The columns themselves, and a feature that tells whether they are known.

    Args:
        columns: how many there are; the program takes it from the data, which standardise them.
        dropout: see :class:`Condition`.

    Raises:
        ArgumentError: the data have none.
    """

    def __init__(self, columns: int, dropout: float = 0.0) -> None:
        if columns < 1:
            accepted = "data with condition columns, as data=table data.source.conditions=[age]"
            raise ArgumentError("columns", columns, accepted, "these data have none")
        super().__init__(columns + 1, dropout, entries=columns)

    def of(self, labels: Int64[Tensor, " n"], conditions: Float[Tensor, "n k"] | None) -> Float[Tensor, "n k"]:
        assert conditions is not None
        return conditions

    def features(self, conditions: Float[Tensor, "n k"]) -> Float[Tensor, "n w"]:
        return torch.cat([conditions, torch.ones_like(conditions[:, :1])], dim=1)
