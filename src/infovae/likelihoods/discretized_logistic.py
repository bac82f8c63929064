"""256 grey levels under a logistic curve."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution
from torch.nn import functional

from infovae.likelihoods.likelihood import Entries, Likelihood, independent

LEVELS = 256
NARROW = 1e-3
"""A bin this narrow, in units of the scale, has its mass by a series: exp(-log_scale) may be 0."""


class DiscretizedLogisticDistribution(Entries):
    """A distribution over 256 grey levels k/255: each has the mass of a logistic density on its bin.

    The first bin starts at -inf, and the last one ends at +inf (Salimans et al. 2017, equation 2).
    """

    def __init__(self, location: Tensor, log_scale: Tensor) -> None:
        self.location = location
        self.log_scale = log_scale
        super().__init__(location.shape)

    @property
    def mean(self) -> Tensor:
        """Return the centre of the logistic: the mean, except for clipping at both ends."""
        return self.location.clamp(0, 1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log P(level) in nats; ``value`` is in [0, 1] and is rounded to the nearest level."""
        level = (value * (LEVELS - 1)).round()
        inverse_scale = torch.exp(-self.log_scale)
        upper = ((level + 0.5) / (LEVELS - 1) - self.location) * inverse_scale
        lower = ((level - 0.5) / (LEVELS - 1) - self.location) * inverse_scale
        first, last = functional.logsigmoid(upper), functional.logsigmoid(-lower)
        # With u > l, log(sigmoid(u) - sigmoid(l)) = log sigmoid(u) + log sigmoid(-l) + log(1 - exp(l - u)): each part
        # is finite where the plain difference has underflowed.
        inner = first + last + self._log_of_bin(inverse_scale)
        return torch.where(level == 0, first, torch.where(level == LEVELS - 1, last, inner))

    def _log_of_bin(self, inverse_scale: Tensor) -> Tensor:
        """Return log(1 - exp(-w)) of a bin's width w in units of the scale, by its series for a small w."""
        # Not from u - l: far out, that difference rounds to 0, and its logarithm has no gradient.
        width = inverse_scale / (LEVELS - 1)
        narrow = -self.log_scale - math.log(LEVELS - 1) - width / 2 + width.square() / 24
        return torch.where(width < NARROW, narrow, torch.log(-torch.expm1(-width.clamp_min(NARROW))))

    @torch.no_grad()
    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        """Draw grey levels in [0, 1]."""
        shape = self._extended_shape(torch.Size(sample_shape))
        uniform = torch.rand(shape, dtype=self.location.dtype, device=self.location.device).clamp(1e-6, 1 - 1e-6)
        value = self.location + self.log_scale.exp() * torch.logit(uniform)
        return (value * (LEVELS - 1)).round().clamp(0, LEVELS - 1) / (LEVELS - 1)


class DiscretizedLogistic(Likelihood):
    """An exact likelihood of 8-bit images; the decoder outputs a centre and a scale for each pixel.

    Args:
        min_log_scale: the smallest log of the logistic's scale, for pixels in [0, 1].
    """

    of = "pixels"

    parameters_per_channel = 2

    def __init__(self, min_log_scale: float = -7.0) -> None:
        super().__init__()
        self.min_log_scale = min_log_scale

    def forward(self, parameters: Float[Tensor, "n k *s"]) -> Distribution:
        location, log_scale = parameters.chunk(2, dim=1)
        # Outputs near 0 start in the middle of the grey range, with a tenth of it as the scale.
        log_scale = (log_scale - 2.3).clamp_min(self.min_log_scale)
        return independent(DiscretizedLogisticDistribution(location + 0.5, log_scale))
