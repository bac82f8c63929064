"""Condition on the class of an example."""

import math
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from infovae.conditions.condition import Condition
from infovae.errors import ArgumentError


class Labels(Condition):
    """One feature for each class (one-hot), or a learned vector.

    Args:
        classes: how many there are; the program takes it from the data.
        embedding: the length of the learned vector; None: one-hot.
        dropout: see :class:`Condition`.
        per_class: whether the divergence holds the codes of each class at the prior, and not all codes as one; see
            :class:`infovae.divergences.per_class.PerClass`.

    Raises:
        ArgumentError: there are fewer than two classes, or a setting is out of range.
    """

    def __init__(
        self, classes: int, embedding: int | None = None, dropout: float = 0.0, per_class: bool = False
    ) -> None:
        if classes < 2:
            raise ArgumentError("classes", classes, "data with at least 2 classes", "there is nothing to tell apart")
        if embedding is not None and embedding < 1:
            raise ArgumentError("embedding", embedding, "null, or whole numbers of at least 1")
        super().__init__(embedding or classes, dropout, entries=1)
        self.classes = classes
        self.per_class = per_class
        self.vectors = None if embedding is None else nn.Embedding(classes, embedding)

    def of(self, labels: Int64[Tensor, " n"], conditions: Float[Tensor, "n k"] | None) -> Float[Tensor, "n 1"]:
        return labels[:, None].float()

    def check(self, conditions: Any, n: int) -> None:
        super().check(conditions, n)
        if conditions is None:
            return
        known = conditions[~conditions.isnan()]
        if self.dropout == 0 and len(known) < n:
            why = "the model was never trained without a class (condition.dropout=0)"
            raise ArgumentError("conditions", math.nan, f"whole numbers from 0 to {self.classes - 1}", why)
        if len(known) and not ((known >= 0) & (known < self.classes) & (known == known.round())).all():
            raise ArgumentError(
                "conditions", ..., f"whole numbers from 0 to {self.classes - 1}, or NaN", "no such class"
            )

    def spread(self, rows: int, columns: int) -> Float[Tensor, "n 1"]:
        """Return a class for each row, 0, 1, 2, ... and from the start again."""
        return (torch.arange(rows) % self.classes).float().repeat_interleave(columns)[:, None]

    def features(self, conditions: Float[Tensor, "n 1"]) -> Float[Tensor, "n w"]:
        numbers = conditions[:, 0].long()
        if self.vectors is not None:
            return self.vectors(numbers)
        return nn.functional.one_hot(numbers, self.classes).to(conditions)
