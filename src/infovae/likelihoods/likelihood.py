"""The interface of a likelihood p(x|z)."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution, Independent
from torch.distributions.constraints import Constraint

from infovae.errors import ArgumentError


class Likelihood(nn.Module, ABC):
    """Turn the decoder's output into p(x|z), whose entries are independent given z.

    An example has shape (c, *s): c channels, and 0 to 3 spatial dimensions.
    """

    of: ClassVar[Literal["numbers", "pixels", "counts", "tokens", "mixed"]] = "numbers"
    """What an entry of the data must be: any number, one in [0, 1], a count 0, 1, 2, ..., a token 0, 1, 2, ...,
    or, in a table, a number in one column and a category in another."""

    parameters_per_channel: int = 1
    """How many numbers the decoder outputs for each entry of each channel."""

    @abstractmethod
    def forward(self, parameters: Float[Tensor, "n k *s"]) -> Distribution:
        """Return p(x|z) with batch shape (n,) and event shape (c, *s); log_prob is in nats per example.

        There are ``parameters_per_channel`` * c channels of parameters.
        """

    def parameters_of(self, mean: Float[Tensor, "c *s"]) -> Float[Tensor, "k *s"]:
        """Return the parameters under which this is the mean of p(x|z), or near it where that is at an end.

        Raises:
            ArgumentError: they aren't known.
        """
        why = "no parameters are known that give a mean example"
        raise ArgumentError("likelihood", type(self).__name__, "bernoulli, or network.decoder.start=random", why)


class Entries(Distribution):
    """A distribution of the entries of n examples, with batch shape (n, c, *s), that torch doesn't have."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {}

    def __init__(self, shape: torch.Size) -> None:
        super().__init__(shape, validate_args=False)


def independent(entries: Distribution) -> Distribution:
    """Return a distribution of examples from that of their entries, whose batch shape is (n, c, *s)."""
    return Independent(entries, len(entries.batch_shape) - 1, validate_args=False)


def mean_given(distribution: Distribution, x: Float[Tensor, "n c *s"]) -> Float[Tensor, "n c *s"]:
    """Return E[x|z], and where log p(x|z) is given something of x, as the total of its counts, E[x|z, that]."""
    entries = getattr(distribution, "base_dist", distribution)
    return entries.mean_given(x) if hasattr(entries, "mean_given") else distribution.mean
