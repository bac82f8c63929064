"""Pixels as coins."""

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Bernoulli as BernoulliDistribution
from torch.distributions import Distribution, Independent

from infovae.likelihoods.likelihood import Likelihood


class Bernoulli(Likelihood):
    """Each pixel is on with the decoder's probability.

    Grey pixels in [0, 1] are taken as probabilities of being on, the field's convention; the value is
    then a cross-entropy and no log-density. Binarise the data where that matters.
    """

    def forward(self, parameters: Float[Tensor, "n c h w"]) -> Distribution:
        return Independent(BernoulliDistribution(logits=parameters, validate_args=False), 3, validate_args=False)
