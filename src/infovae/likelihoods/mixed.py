"""Columns of a table: numbers under one likelihood, categories under a softmax."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent

from infovae.likelihoods.likelihood import Entries, Likelihood, independent


@runtime_checkable
class TableColumns(Protocol):
    """What the likelihood needs to know of a table."""

    groups: Sequence[tuple[int, int]]
    """Of each column of categories, its first entry and the one after its last."""

    def is_category(self) -> Bool[Tensor, " c"]:
        """Return for each column whether it belongs to a column of categories."""


class MixedDistribution(Entries):
    """Numbers and categories, one of which has an entry of 1 and all others of its group 0.

    Args:
        numbers: the distribution of each entry, of which those of categories aren't used.
        logits: of each entry, of which those of numbers aren't used.
        columns: says which is which.
    """

    def __init__(self, numbers: Distribution, logits: Float[Tensor, "n c"], columns: TableColumns) -> None:
        self.numbers = numbers
        self.columns = columns
        self.is_category = columns.is_category().to(logits.device)
        self.log_probabilities = logits.clone()
        for start, stop in columns.groups:
            self.log_probabilities[..., start:stop] = logits[..., start:stop].log_softmax(dim=-1)
        super().__init__(logits.shape)

    @property
    def mean(self) -> Tensor:
        return torch.where(self.is_category, self.log_probabilities.exp(), self.numbers.mean)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log p of each entry in nats; of a category's entries, that of the 1 has the whole."""
        return torch.where(self.is_category, value * self.log_probabilities, self.numbers.log_prob(value))

    @torch.no_grad()
    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        drawn = self.numbers.sample(torch.Size(sample_shape))
        for start, stop in self.columns.groups:
            chosen = Categorical(logits=self.log_probabilities[..., start:stop]).sample(torch.Size(sample_shape))
            drawn[..., start:stop] = torch.nn.functional.one_hot(chosen, stop - start).to(drawn)
        return drawn


class Mixed(Likelihood):
    """A likelihood of numbers for the columns of numbers, and a softmax over the categories of each other column.

    Args:
        values: the table's columns; the program takes them from the data.
        numbers: the likelihood of a number.
    """

    of = "mixed"

    def __init__(self, values: TableColumns, numbers: Likelihood) -> None:
        super().__init__()
        self.columns = values
        self.numbers = numbers
        self.parameters_per_channel = numbers.parameters_per_channel

    def forward(self, parameters: Float[Tensor, "n k"]) -> Distribution:
        numbers = self.numbers(parameters)
        assert isinstance(numbers, Independent)
        logits = parameters[:, : parameters.shape[1] // self.parameters_per_channel]
        return independent(MixedDistribution(numbers.base_dist, logits, self.columns))
