"""The condition columns of a data set, and what a user types for them."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import torch

from infovae.data.columns import Column, columns_of, shown
from infovae.data.values import Indexed, Standardized
from infovae.errors import ArgumentError


class ConditionColumns(Standardized):
    """Condition columns, standardised; a category is an entry of 0 or 1, called ``COLUMN=CATEGORY``.

    Args:
        limits: the lowest and the highest number of each in the training split; empty in older checkpoints.
        own: as of :class:`Standardized`.
    """

    def __init__(self, limits: Sequence[Sequence[float]] = (), **own: Any) -> None:
        super().__init__(**own)
        self.limits = limits
        self.columns = columns_of(self.names)

    def fitted(self, train: Indexed, *others: Indexed) -> "ConditionColumns":
        own = super().fitted(train, *others)
        known = [column[~column.isnan()] for column in train[torch.arange(len(train))].T]
        limits = [[float(column.min()), float(column.max())] if len(column) else [] for column in known]
        return ConditionColumns(limits, mean=own.mean, scale=own.divisor, has_missing=own.has_missing, names=own.names)

    def state(self) -> dict[str, Any]:
        return super().state() | {"limits": self.limits}

    @property
    def accepted(self) -> str:
        """What can be typed, for an error."""
        if not self.columns:
            return f"{len(self.mean)} numbers, as [1.5,...]"
        each = [f"{name} ({' or '.join(words) if words else 'a number'})" for name, words in self.columns]
        return f"{', '.join(each)}, as [VALUE,...]"

    def entries(self, typed: Sequence[Any]) -> list[float]:
        """Return a value for each column, a number, a category or None, as entries in the columns' units; None is NaN.

        A number for each entry is taken as it is.

        Raises:
            ArgumentError: there are more or fewer, or one is of another kind.
        """
        numbers: list[Column] = [Column("", None)] * len(self.mean)
        for columns in filter(None, (numbers, self.columns)):
            with suppress(ValueError, TypeError, OverflowError):
                pairs = zip(typed, columns, strict=True)
                return [entry for value, (_, words) in pairs for entry in _entries(value, words)]
        raise ArgumentError("condition", ..., self.accepted, "doesn't fit the model's condition columns")

    def unseen(self, row: Sequence[float]) -> str:
        """Return which entries of a row lie outside what training saw, in words; empty if none does."""
        names = shown(self.names) or [f"column {number + 1}" for number in range(len(row))]
        digits = ".7g" if self.mean.dtype == torch.float32 else ".12g"
        rounded = torch.tensor(row, dtype=self.mean.dtype).tolist()  # as the limits are
        return ", ".join(
            f"{name}={value:{digits}} is outside the range of training, {limits[0]:{digits}} to {limits[1]:{digits}}"
            for name, value, limits in zip(names, rounded, self.limits, strict=False)
            if limits and (value < limits[0] or value > limits[1])
        )


def _entries(value: Any, words: Sequence[str] | None) -> list[float]:
    """Return what a column's value is in its entries.

    Raises:
        ValueError: it is neither a number nor one of the words.
    """
    if words is None:
        return [float("nan") if value is None else float(value)]
    if value is None:
        return [float("nan")] * len(words)
    chosen = words.index(str(value).lower() if isinstance(value, bool) else str(value))
    return [float(number == chosen) for number in range(len(words))]
