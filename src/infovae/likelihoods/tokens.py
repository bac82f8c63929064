"""Tokens: whole numbers without an order, such as letters."""

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from infovae.errors import ArgumentError
from infovae.likelihoods.categorical import LevelsDistribution
from infovae.likelihoods.likelihood import Likelihood, independent


class Tokens(Likelihood):
    """Each entry is one of the numbers 0 to vocabulary - 1, with a softmax over them.

    Args:
        vocabulary: the number of different tokens; the program takes it from data of tokens.

    Raises:
        ArgumentError: there are fewer than 2.
    """

    of = "tokens"

    def __init__(self, vocabulary: int | None = None) -> None:
        super().__init__()
        if vocabulary is None or vocabulary < 2:
            raise ArgumentError("vocabulary", vocabulary, "whole numbers of at least 2, or data of tokens")
        self.parameters_per_channel = vocabulary

    def forward(self, parameters: Float[Tensor, "n k *s"]) -> Distribution:
        logits = parameters.unflatten(1, (self.parameters_per_channel, -1))
        return independent(LevelsDistribution(logits, top=self.parameters_per_channel - 1))
