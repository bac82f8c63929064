"""Examples as they are stored, and their labels."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from infovae.data.stored import StoredExamples
from infovae.data.values import Bytes, Values


class Examples(NamedTuple):
    """Examples of one shape, in memory or still in their files.

    Attributes:
        x: the examples, as they are stored: images as bytes, for instance. ``values`` of the data set says what they
            mean.
        labels: their classes.
        factors: for each example, the index of the value of each known factor of variation, if there are any.
        names: for each example, the path of its file below the set's folder, or its index in the set as that comes.
        classes: the name of each class; None: its number.
        conditions: for each example, the numbers that encoder and decoder are given beside x, if there are any.
        condition_names: the name of each of them, where they have some.
        factor_names: those of the factors, likewise: the columns of labels, of data with several.
    """

    x: Shaped[Tensor, "n c *s"] | StoredExamples
    labels: Int64[Tensor, " n"]
    factors: Int64[Tensor, "n k"] | None = None
    names: np.ndarray | None = None
    classes: tuple[str, ...] | None = None
    conditions: Float[Tensor, "n k"] | None = None
    condition_names: tuple[str, ...] = ()
    factor_names: tuple[str, ...] = ()

    def take(self, positions: Int64[Tensor, " m"]) -> "Examples":
        """Return the examples at these positions; those in files stay there."""
        x = self.x[positions] if isinstance(self.x, Tensor) else self.x.take(positions)
        factors, conditions = (None if part is None else part[positions] for part in (self.factors, self.conditions))
        names = None if self.names is None else self.names[positions.cpu().numpy()]
        labels = self.labels[positions]
        return self._replace(x=x, labels=labels, factors=factors, names=names, conditions=conditions)

    def named(self) -> "Examples":
        """Return the same examples; where they have no names, the names are their indices."""
        return self if self.names is not None else self._replace(names=np.arange(len(self.x)))

    @property
    def images(self) -> Tensor | StoredExamples:
        """``x``, under its name in version 0.1."""
        return self.x


class DataSet(NamedTuple):
    """The splits that a data set comes with, and what their values mean.

    Without a split for validation, the data module cuts that from ``train``.
    """

    train: Examples
    test: Examples
    validation: Examples | None = None
    values: Values = Bytes()

    def splits(self) -> dict[str, Examples]:
        """Return the splits that there are, by name."""
        there = {"train": self.train, "test": self.test, "validation": self.validation}
        return {name: part for name, part in there.items() if part is not None}


class Inputs:
    """Examples as the model sees them, read by indexing: what a prior is given of the training split.

    Args:
        x: the examples, as they are stored.
        values: what they mean.
    """

    def __init__(self, x: Tensor | StoredExamples, values: Values) -> None:
        self.x = x
        self.values = values

    @property
    def range(self) -> str:
        """Where the numbers lie: see :class:`infovae.data.values.Values`."""
        return self.values.range

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, positions: Int64[Tensor, " m"]) -> Float[Tensor, "m c *s"]:
        return self.values.to_model(self.x[positions])

    def mean(self) -> Float[Tensor, "c *s"]:
        """Return the mean example, read 1,000 at a time: the examples may lie in files."""
        parts = torch.arange(len(self)).split(1000)
        return (torch.stack([self[part].double().sum(dim=0) for part in parts]).sum(dim=0) / len(self)).float()
