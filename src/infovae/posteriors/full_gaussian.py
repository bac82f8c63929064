"""q(z|x) = N(mean(x), covariance(x)), with a covariance of all dimensions."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from infovae.posteriors.diagonal_gaussian import DiagonalGaussian, Scale
from infovae.posteriors.linear_gaussian import LinearGaussian
from infovae.posteriors.posterior import Posterior


class FullGaussian(Posterior):
    """A Gaussian with a mean and a covariance A diag(scale²) Aᵀ for each example, A triangular with a diagonal of 1.

    A diag(scale) is the Cholesky factor of the covariance. The encoder outputs mean, scale and the entries of A below
    its diagonal: 2 + d // 2 numbers for each of d dimensions. For an even d the last d / 2 of them are unused.

    Args:
        latent_dim: d.
        scale: see :class:`infovae.posteriors.diagonal_gaussian.DiagonalGaussian`.
        min_scale: the smallest scale.
    """

    has_density = True

    place: Tensor

    def __init__(self, latent_dim: int, scale: Scale = "exp", min_scale: float = 0.0) -> None:
        super().__init__()
        self.diagonal = DiagonalGaussian(scale, min_scale)
        self.latent_dim = latent_dim
        self.parameters_per_dimension = 2 + latent_dim // 2
        # Where each entry of A is in (0, 1, the entries below the diagonal).
        place = torch.eye(latent_dim, dtype=torch.int64)
        row, column = torch.tril_indices(latent_dim, latent_dim, -1)
        place[row, column] = torch.arange(2, 2 + len(row))
        self.register_buffer("place", place, persistent=False)

    def forward(self, parameters: Float[Tensor, "n k"]) -> Distribution:
        d = self.latent_dim
        diagonal = self.diagonal(parameters[:, : 2 * d])
        below = parameters[:, 2 * d :]
        constants = torch.zeros_like(parameters[:, :1]), torch.ones_like(parameters[:, :1])
        matrix = torch.cat([*constants, below], dim=1)[:, self.place]
        identity = torch.eye(d, dtype=parameters.dtype, device=parameters.device)
        inverse = torch.linalg.solve_triangular(matrix, identity, upper=False, unitriangular=True)
        return LinearGaussian(diagonal.mean, diagonal.stddev, matrix, inverse)
