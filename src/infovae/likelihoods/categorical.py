"""Grey levels with a free probability each."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Categorical as CategoricalDistribution
from torch.distributions import Distribution, Independent
from torch.distributions.constraints import Constraint
from torch.nn import functional

from infovae.errors import ArgumentError
from infovae.likelihoods.likelihood import Likelihood


class LevelsDistribution(Distribution):
    """A distribution over the levels k / (K - 1), given by logits."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {}

    def __init__(self, logits: Float[Tensor, "n levels c h w"]) -> None:
        self.logits = logits
        self.last = logits.shape[1] - 1
        super().__init__(logits.select(1, 0).shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        levels = torch.linspace(0, 1, self.last + 1, dtype=self.logits.dtype, device=self.logits.device)
        return torch.einsum("nk...,k->n...", self.logits.softmax(dim=1), levels)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log P(level) in nats; ``value`` is in [0, 1] and is rounded to the nearest level."""
        level = (value * self.last).round().long()
        level = level.expand(torch.broadcast_shapes(level.shape, self.batch_shape))
        logits = self.logits.expand(*level.shape[:-3], -1, *level.shape[-3:])
        # cross_entropy takes the levels where they are; moving that dimension to the end takes six times as long.
        nats = functional.cross_entropy(logits.flatten(0, -5), level.flatten(0, -4), reduction="none")
        return -nats.reshape(level.shape)

    @torch.no_grad()
    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        """Draw levels in [0, 1]."""
        levels = CategoricalDistribution(logits=self.logits.movedim(1, -1), validate_args=False)
        return levels.sample(torch.Size(sample_shape)).to(self.logits.dtype) / self.last


class Categorical(Likelihood):
    """A softmax over grey levels (van den Oord et al. 2016): an exact likelihood that assumes no shape.

    Args:
        levels: the number of levels from black to white: 256 for 8-bit images, 2 for binary ones.
    """

    def __init__(self, levels: int = 256) -> None:
        super().__init__()
        if levels < 2:
            raise ArgumentError("levels", levels, "whole numbers of at least 2")
        self.parameters_per_channel = levels

    def forward(self, parameters: Float[Tensor, "n k h w"]) -> Distribution:
        logits = parameters.unflatten(1, (self.parameters_per_channel, -1))
        return Independent(LevelsDistribution(logits), 3, validate_args=False)
