"""A Gaussian whose covariance is diagonal in a basis that all examples share."""

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal, kl_divergence
from torch.distributions.constraints import Constraint
from torch.distributions.kl import register_kl


class LinearGaussian(Distribution):
    """N(location, A diag(scale²) Aᵀ) for a matrix A.

    Args:
        location: the mean of each example.
        scale: the standard deviations in the basis A.
        matrix: A.
        inverse: A⁻¹.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}
    has_rsample = True

    def __init__(
        self,
        location: Float[Tensor, "n d"],
        scale: Float[Tensor, "n d"],
        matrix: Float[Tensor, "d d"],
        inverse: Float[Tensor, "d d"],
    ) -> None:
        self.location, self.scale, self.matrix, self.inverse = location, scale, matrix, inverse
        super().__init__(location.shape[:-1], location.shape[-1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.location

    @property
    def variance(self) -> Tensor:
        return self.scale.square() @ self.matrix.square().T

    @property
    def log_volume(self) -> Tensor:
        """Half the log determinant of each covariance."""
        return self.scale.log().sum(dim=-1) - torch.linalg.slogdet(self.inverse).logabsdet

    def transform(self, noise: Float[Tensor, "*batch d"]) -> Tensor:
        """Return the sample that draws from N(0, I) stand for, with gradient."""
        return self.location + (self.scale * noise) @ self.matrix.T

    def rsample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        return self.transform(torch.randn(shape, dtype=self.location.dtype, device=self.location.device))

    def log_prob(self, value: Tensor) -> Tensor:
        standard = ((value - self.location) @ self.inverse.T) / self.scale
        constant = 0.5 * math.log(2 * math.pi) * self.location.shape[-1]
        return -0.5 * standard.square().sum(dim=-1) - self.log_volume - constant


@register_kl(LinearGaussian, Independent)
def _kl_to_independent_normal(posterior: LinearGaussian, prior: Independent[Normal]) -> Tensor:
    normal = prior.base_dist
    if not isinstance(normal, Normal) or prior.reinterpreted_batch_ndims != 1:
        raise NotImplementedError
    marginals = Independent(Normal(posterior.mean, posterior.variance.sqrt(), validate_args=False), 1)
    # The prior is independent over dimensions, so correlation adds what it takes from the entropy.
    correlation = marginals.base_dist.scale.log().sum(dim=-1) - posterior.log_volume
    return kl_divergence(marginals, prior) + correlation
