"""A Gaussian with a covariance that isn't diagonal."""

import math
from typing import ClassVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal, kl_divergence
from torch.distributions.constraints import Constraint
from torch.distributions.kl import register_kl

from infovae.codes import Basis


class LinearGaussian(Distribution):
    """N(location, A diag(scale²) Aᵀ) for a matrix A, one for all examples or one for each.

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
        matrix: Float[Tensor, "d d"] | Float[Tensor, "n d d"],
        inverse: Float[Tensor, "d d"] | Float[Tensor, "n d d"],
    ) -> None:
        self.location, self.scale, self.matrix, self.inverse = location, scale, matrix, inverse
        super().__init__(location.shape[:-1], location.shape[-1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.location

    @property
    def variance(self) -> Tensor:
        return _apply(self.matrix.square(), self.scale.square())

    @property
    def conditional(self) -> Basis:
        """What :class:`infovae.codes.Codes` carry of the covariance."""
        return Basis(self.scale.square(), self.matrix, self.inverse)

    @property
    def log_volume(self) -> Tensor:
        """Half the log determinant of each covariance."""
        return self.scale.log().sum(dim=-1) - torch.linalg.slogdet(self.inverse).logabsdet

    def transform(self, noise: Float[Tensor, "*batch d"]) -> Tensor:
        """Return the sample that draws from N(0, I) stand for, with gradient."""
        return self.location + _apply(self.matrix, self.scale * noise)

    def take(self, chosen: Int64[Tensor, " m"]) -> "LinearGaussian":
        """Return the posteriors of some examples."""
        bases = (self.matrix, self.inverse)
        own = [basis if basis.ndim == 2 else basis[chosen] for basis in bases]
        return LinearGaussian(self.location[chosen], self.scale[chosen], *own)

    def rsample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        return self.transform(torch.randn(shape, dtype=self.location.dtype, device=self.location.device))

    def log_prob(self, value: Tensor) -> Tensor:
        standard = _apply(self.inverse, value - self.location) / self.scale
        constant = 0.5 * math.log(2 * math.pi) * self.location.shape[-1]
        return -0.5 * standard.square().sum(dim=-1) - self.log_volume - constant


def _apply(matrix: Tensor, vectors: Tensor) -> Tensor:
    """Return the products of vectors, (..., d), with one matrix or with the matrix of their example."""
    with torch.autocast(vectors.device.type, enabled=False):  # a density needs more than 8 bits
        return vectors @ matrix.T if matrix.ndim == 2 else torch.einsum("...ij,...j->...i", matrix, vectors)


@register_kl(LinearGaussian, Independent)
def _kl_to_independent_normal(posterior: LinearGaussian, prior: Independent[Normal]) -> Tensor:
    normal = prior.base_dist
    if not isinstance(normal, Normal) or prior.reinterpreted_batch_ndims != 1:
        raise NotImplementedError
    marginals = Independent(Normal(posterior.mean, posterior.variance.sqrt(), validate_args=False), 1)
    # The prior is independent over dimensions, so correlation adds what it takes from the entropy.
    correlation = marginals.base_dist.scale.log().sum(dim=-1) - posterior.log_volume
    return kl_divergence(marginals, prior) + correlation
