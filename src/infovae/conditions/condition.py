"""The interface of a condition."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from infovae.errors import ArgumentError
from infovae.parallel import own_rows


class Condition(nn.Module, ABC):
    """Turn what is known of an example into features for encoder and decoder: a conditional VAE (Sohn et al. 2015).

    The divergence still compares q(z) as a whole with p(z). With ``per_class``,
    :class:`infovae.conditions.labels.Labels` has it compare each class.

    A row with a NaN is the null condition, whose features are 0.

    Args:
        width: the number of features.
        dropout: the probability that a training example is given the null condition, so that the model learns to do
            without.
        entries: the number of entries of a condition, to which conditions are held; None: any.

    Raises:
        ArgumentError: the dropout isn't a probability below 1.
    """

    def __init__(self, width: int, dropout: float = 0.0, entries: int | None = None) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ArgumentError("dropout", f"{dropout:g}", "probabilities from 0 to below 1")
        self.width = width
        self.entries = entries
        self.dropout = dropout

    @abstractmethod
    def of(self, labels: Int64[Tensor, " n"], conditions: Float[Tensor, "n k"] | None) -> Float[Tensor, "n k"]:
        """Return what the model is conditioned on, from the labels and the condition columns of a batch."""

    @abstractmethod
    def features(self, conditions: Float[Tensor, "n k"]) -> Float[Tensor, "n w"]:
        """Return the features of conditions without NaN."""

    def check(self, conditions: Any, n: int) -> None:
        """Refuse what can't be the conditions of n examples.

        Raises:
            ArgumentError: they aren't numbers of the right shape, or None without ``dropout``.
        """
        if conditions is None:
            if self.dropout == 0:
                why = "the model was never trained without (condition.dropout=0)"
                raise ArgumentError("conditions", None, "a row for each example", why)
            return
        if not isinstance(conditions, Tensor):
            raise ArgumentError("conditions", ..., "a torch tensor", f"a {type(conditions).__name__}")
        shape = tuple(conditions.shape)
        if len(shape) != 2 or shape != (n, self.entries or shape[1]):
            raise ArgumentError("conditions", ..., f"numbers of shape ({n}, {self.entries or 'k'})", f"shape {shape}")

    def spread(self, rows: int, columns: int) -> Float[Tensor, "n k"] | None:
        """Return conditions for a grid of samples, row by row; None for the null condition in each place."""
        return None

    def stand_in(self) -> Float[Tensor, "1 k"] | None:
        """Return what a picture is drawn under where no condition is given: None, the null condition.

        Of a model that was never trained without: zeros, the first class or the mean of each column.
        """
        return None if self.dropout > 0 else torch.zeros(1, self.entries or 1, device=self.device)

    def forward(self, conditions: Float[Tensor, "n k"] | None, n: int) -> Float[Tensor, "n w"]:
        """Return the features of n examples; 0 for those without a condition.

        Raises:
            ArgumentError: there isn't a row for each example.
        """
        if conditions is None:
            return torch.zeros(n, self.width, device=self.device)
        if len(conditions) != n:
            accepted = "None, or a row for each example; infovae.model.given repeats rows"
            raise ArgumentError("conditions", ..., accepted, f"{len(conditions)} rows for {n} examples")
        return self.masked(conditions)

    def masked(self, conditions: Float[Tensor, "n k"]) -> Float[Tensor, "n w"]:
        """Return the features; 0 in rows with a NaN."""
        known = ~conditions.isnan().any(dim=1, keepdim=True)
        return torch.where(known, self.features(torch.where(known, conditions, 0.0)), 0.0)

    def dropped(self, conditions: Float[Tensor, "n k"], global_size: int) -> Float[Tensor, "n k"]:
        """Return the conditions with some rows made null, each with probability ``dropout``."""
        if self.dropout == 0:
            return conditions
        chance = own_rows(torch.rand(global_size, 1, device=conditions.device))
        return torch.where(chance < self.dropout, torch.nan, conditions)

    @property
    def device(self) -> torch.device:
        return next((tensor.device for tensor in [*self.parameters(), *self.buffers()]), torch.device("cpu"))


def beside(x: Float[Tensor, "n c *s"], features: Float[Tensor, "n w"], flat: bool) -> Tensor:
    """Return x with the features as further channels, constant over space; flattened, as further entries."""
    features = features.to(x)
    if flat:
        return torch.cat([x.flatten(1), features], dim=1)
    planes = features.view(*features.shape, *[1] * (x.ndim - 2)).expand(-1, -1, *x.shape[2:])
    return torch.cat([x, planes], dim=1)
