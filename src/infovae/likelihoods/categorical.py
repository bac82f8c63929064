"""Levels with a free probability each."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Categorical as CategoricalDistribution
from torch.distributions import Distribution
from torch.nn import functional

from infovae.errors import ArgumentError
from infovae.likelihoods.likelihood import Entries, Likelihood, independent


class LevelsDistribution(Entries):
    """A distribution over K levels at equal distances from 0 to ``top``, given by logits."""

    def __init__(self, logits: Float[Tensor, "n levels c *s"], top: float = 1.0) -> None:
        self.logits = logits
        self.last = logits.shape[1] - 1
        self.per_unit = self.last / top
        super().__init__(logits.select(1, 0).shape)

    @property
    def mean(self) -> Tensor:
        top = self.last / self.per_unit
        levels = torch.linspace(0, top, self.last + 1, dtype=self.logits.dtype, device=self.logits.device)
        return torch.einsum("nk...,k->n...", self.logits.softmax(dim=1), levels)

    @property
    def mode(self) -> Tensor:
        return self.logits.argmax(dim=1).to(self.logits.dtype) / self.per_unit

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log P(level) in nats; ``value`` is rounded to the nearest level."""
        level = (value * self.per_unit).round().long()
        level = level.expand(torch.broadcast_shapes(level.shape, self.batch_shape))
        own = len(self.batch_shape) - 1  # the dimensions of an example
        logits = self.logits.expand(*level.shape[:-own], -1, *level.shape[-own:])
        # cross_entropy takes the levels where they are; moving that dimension to the end takes six times as long.
        nats = functional.cross_entropy(logits.flatten(0, -own - 2), level.flatten(0, -own - 1), reduction="none")
        return -nats.reshape(level.shape)

    @torch.no_grad()
    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        """Draw levels."""
        levels = CategoricalDistribution(logits=self.logits.movedim(1, -1), validate_args=False)
        return levels.sample(torch.Size(sample_shape)).to(self.logits.dtype) / self.per_unit


class Categorical(Likelihood):
    """A softmax over grey levels (van den Oord et al. 2016): an exact likelihood that assumes no shape.

    Args:
        levels: the number of levels from black to white: 256 for 8-bit images, 2 for binary ones.
    """

    of = "pixels"

    def __init__(self, levels: int = 256) -> None:
        super().__init__()
        if levels < 2:
            raise ArgumentError("levels", levels, "whole numbers of at least 2")
        self.parameters_per_channel = levels

    def forward(self, parameters: Float[Tensor, "n k *s"]) -> Distribution:
        return independent(LevelsDistribution(parameters.unflatten(1, (self.parameters_per_channel, -1))))
