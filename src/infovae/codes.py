"""A batch of codes: all that divergences and most metrics see of a model."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class Basis(NamedTuple):
    """A basis A in which all posterior covariances are diagonal: Cov[z|x_i] = A diag(variance_i) Aᵀ.

    Attributes:
        matrix: A.
        inverse: A⁻¹.
        variance: the diagonals.
    """

    matrix: Float[Tensor, "d d"]
    inverse: Float[Tensor, "d d"]
    variance: Float[Tensor, "n d"]


class Codes(NamedTuple):
    """The posteriors of n examples, and one latent sample of each.

    Attributes:
        z: samples z_i ~ q(z|x_i), together a sample of the aggregate posterior q(z).
        mean: E[z|x_i].
        variance: Var[z|x_i], the diagonal of Cov[z|x_i]; zero for a deterministic posterior.
        dataset_size: N, the number of examples that q(z) averages over.
        basis: what diagonalises Cov[z|x_i]; None for a covariance that is diagonal itself.
    """

    z: Float[Tensor, "n d"]
    mean: Float[Tensor, "n d"]
    variance: Float[Tensor, "n d"]
    dataset_size: int
    basis: Basis | None = None

    def detach(self) -> "Codes":
        """Return the same codes without gradient."""
        basis = None if self.basis is None else Basis(*(part.detach() for part in self.basis))
        return Codes(self.z.detach(), self.mean.detach(), self.variance.detach(), self.dataset_size, basis)

    def take(self, chosen: Tensor | slice) -> "Codes":
        """Return the codes of some examples, by position or by mask."""
        basis = None if self.basis is None else self.basis._replace(variance=self.basis.variance[chosen])
        return Codes(self.z[chosen], self.mean[chosen], self.variance[chosen], self.dataset_size, basis)

    def diagonal(self) -> tuple["Codes", Float[Tensor, ""]]:
        """Return the codes in the basis where Cov[z|x] is diagonal, and the log density that z gains by the change.

        log q(z|x) is the log density of the returned codes plus the second value.
        """
        if self.basis is None:
            return self, self.z.new_zeros(())
        inverse = self.basis.inverse
        codes = Codes(self.z @ inverse.T, self.mean @ inverse.T, self.basis.variance, self.dataset_size)
        return codes, torch.linalg.slogdet(inverse).logabsdet

    def spread(self) -> tuple[Float[Tensor, "n d"], Float[Tensor, "d d"]]:
        """Return s and A such that Cov[z|x_i] = A diag(s_i) Aᵀ."""
        if self.basis is None:
            return self.variance, torch.eye(self.z.shape[1], dtype=self.z.dtype, device=self.z.device)
        return self.basis.variance, self.basis.matrix


def joined(batches: Sequence[Codes]) -> Codes:
    """Return batches of one data set, at least one, as a single one."""
    z, mean, variance = (torch.cat(parts) for parts in zip(*(batch[:3] for batch in batches), strict=True))
    basis = batches[0].basis
    if basis is not None:
        basis = basis._replace(variance=torch.cat([batch.basis.variance for batch in batches if batch.basis]))
    return Codes(z, mean, variance, batches[0].dataset_size, basis)
