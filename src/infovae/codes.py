"""A batch of codes: all that divergences and most metrics see of a model."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from infovae.exact import exact, rounded

PairDensity = Callable[[Tensor], Tensor]
"""Takes m points z, (m, d), and returns log q(z_i|x_j) in nats for n posteriors, (m, n)."""


@runtime_checkable
class Conditional(Protocol):
    """The posteriors q(z|x) of n examples, where they aren't diagonal Gaussians."""

    @property
    def gaussian(self) -> bool:
        """Whether they are Gaussians, so that mean and variance tell all of one dimension."""

    def rows(self) -> list[Tensor]:
        """Return the tensors that have a row for each example."""

    def with_rows(self, rows: Sequence[Tensor]) -> "Conditional":
        """Return the posteriors of other examples, from their rows."""

    def map(self, change: Callable[[Tensor], Tensor]) -> "Conditional":
        """Return the same posteriors with every tensor changed, also those that examples share."""

    def covariance(self) -> Float64[Tensor, "d d"]:
        """Return the average of Cov[z|x_i]."""

    def density(self, mean: Float[Tensor, "n d"]) -> PairDensity:
        """Return the log density of each posterior as a function of z, given their means."""


class Basis(NamedTuple):
    """Gaussians with Cov[z|x_i] = A_i diag(variance_i) A_iᵀ, for a basis A of each example or one that all share.

    Attributes:
        variance: the diagonals.
        matrix: A.
        inverse: A⁻¹.
    """

    variance: Float[Tensor, "n d"]
    matrix: Float[Tensor, "d d"] | Float[Tensor, "n d d"]
    inverse: Float[Tensor, "d d"] | Float[Tensor, "n d d"]

    @property
    def gaussian(self) -> bool:
        return True

    @property
    def shared(self) -> bool:
        """Whether all examples have the same basis."""
        return self.matrix.ndim == 2

    def rows(self) -> list[Tensor]:
        return [self.variance] if self.shared else list(self)

    def with_rows(self, rows: Sequence[Tensor]) -> "Basis":
        return Basis(*rows, *self[len(rows) :])

    def map(self, change: Callable[[Tensor], Tensor]) -> "Basis":
        return Basis(*map(change, self))

    def covariance(self) -> Float64[Tensor, "d d"]:
        variance, matrix = exact(self.variance), exact(self.matrix)
        if self.shared:
            return (matrix * variance.mean(dim=0)) @ matrix.T
        return torch.einsum("nij,nj,nkj->ik", matrix, variance, matrix) / len(variance)

    def density(self, mean: Float[Tensor, "n d"]) -> PairDensity:
        if not self.shared:
            return full_density(mean, exact(self.inverse) / exact(self.variance).sqrt()[:, :, None])
        within = normal_density(mean @ self.inverse.T, self.variance)
        gained = torch.linalg.slogdet(self.inverse).logabsdet
        return lambda z: within(z @ self.inverse.T) + gained


NO_DENSITY = "q(z|x) tells mean and variance alone; its density would be a Conditional of infovae.codes"
"""Why what needs the density of :class:`MomentsOnly` is nan."""


class MomentsOnly(NamedTuple):
    """Posteriors of a family that tells mean and variance alone: their densities are nan.

    Attributes:
        spread: Var[z|x_i]; nan where Cov[z|x_i] may not be diagonal.
    """

    spread: Float[Tensor, "n d"]

    @property
    def gaussian(self) -> bool:
        return False

    def rows(self) -> list[Tensor]:
        return [self.spread]

    def with_rows(self, rows: Sequence[Tensor]) -> "MomentsOnly":
        return MomentsOnly(rows[0])

    def map(self, change: Callable[[Tensor], Tensor]) -> "MomentsOnly":
        return MomentsOnly(change(self.spread))

    def covariance(self) -> Float64[Tensor, "d d"]:
        return torch.diag(exact(self.spread).mean(dim=0))

    def density(self, mean: Float[Tensor, "n d"]) -> PairDensity:
        return lambda z: torch.full((len(z), len(mean)), torch.nan, dtype=z.dtype, device=z.device)


class Codes(NamedTuple):
    """The posteriors of n examples, and one latent sample of each.

    Attributes:
        z: samples z_i ~ q(z|x_i), together a sample of the aggregate posterior q(z).
        mean: E[z|x_i].
        variance: Var[z|x_i], the diagonal of Cov[z|x_i]; zero for a deterministic posterior.
        dataset_size: N, the number of examples that q(z) averages over.
        conditional: the posteriors themselves; None for diagonal Gaussians, which mean and variance describe.
        conditions: what a conditional model was given; None unless its divergence needs them.
    """

    z: Float[Tensor, "n d"]
    mean: Float[Tensor, "n d"]
    variance: Float[Tensor, "n d"]
    dataset_size: int
    conditional: Conditional | None = None
    conditions: Float[Tensor, "n k"] | None = None

    def rows(self) -> list[Tensor]:
        """Return the tensors that have a row for each example."""
        conditions = [] if self.conditions is None else [self.conditions]
        own = [] if self.conditional is None else self.conditional.rows()
        return [self.z, self.mean, self.variance, *conditions, *own]

    def with_rows(self, rows: Sequence[Tensor]) -> "Codes":
        """Return the codes of other examples of the same data set, from their rows."""
        z, mean, variance, *own = rows
        conditions = None if self.conditions is None else own.pop(0)
        conditional = None if self.conditional is None else self.conditional.with_rows(own)
        return Codes(z, mean, variance, self.dataset_size, conditional, conditions)

    def map(self, change: Callable[[Tensor], Tensor]) -> "Codes":
        """Return the same codes with every tensor changed."""
        conditional = None if self.conditional is None else self.conditional.map(change)
        conditions = None if self.conditions is None else change(self.conditions)
        z, mean, variance = (change(row) for row in (self.z, self.mean, self.variance))
        return Codes(z, mean, variance, self.dataset_size, conditional, conditions)

    def detach(self) -> "Codes":
        """Return the same codes without gradient."""
        return self.map(Tensor.detach)

    def take(self, chosen: Tensor | slice) -> "Codes":
        """Return the codes of some examples, by position or by mask."""
        return self.with_rows([row[chosen] for row in self.rows()])

    def covariance(self) -> Float64[Tensor, "d d"]:
        """Return the average of Cov[z|x_i]."""
        if self.conditional is None:
            return torch.diag(exact(self.variance).mean(dim=0))
        return self.conditional.covariance()

    def density(self) -> PairDensity:
        """Return the log density of each q(z|x_i) as a function of z, for posteriors that have one."""
        if self.conditional is None:
            return normal_density(self.mean, self.variance)
        return self.conditional.density(self.mean)


def joined(batches: Sequence[Codes]) -> Codes:
    """Return batches of one data set, at least one, as a single one."""
    return batches[0].with_rows([torch.cat(parts) for parts in zip(*(batch.rows() for batch in batches), strict=True)])


def normal_density(mean: Float[Tensor, "n d"], variance: Float[Tensor, "n d"]) -> PairDensity:
    """Return the log densities of n diagonal Gaussians as a function of z, in nats.

    One matrix product computes all pairs, from the expanded square (z_i - mean_j)^2 / variance_j. Terms of the order
    mean^2 / variance cancel there. For means of order 1 and a standard deviation of 1e-3, float32 would be wrong by
    whole nats; float64 is wrong by 1e-9.
    """
    centre = exact(mean.detach()).mean(dim=0)
    moved, precision = exact(mean) - centre, exact(variance).reciprocal()
    constant = (moved.square() * precision + exact(variance).log() + math.log(2 * math.pi)).sum(dim=1)
    coefficients = torch.cat([precision, -2 * moved * precision], dim=1)
    return partial(_polynomial, centre=centre, constant=constant, coefficients=coefficients, monomials=Tensor.square)


def full_density(mean: Float[Tensor, "n d"], root: Float64[Tensor, "n d d"]) -> PairDensity:
    """Return the log densities of n Gaussians with precision matrices rootᵀ root; see :func:`normal_density`."""
    centre = exact(mean.detach()).mean(dim=0)
    moved, precision = exact(mean) - centre, root.mT @ root
    pull = torch.einsum("nij,nj->ni", precision, moved)
    constant = (moved * pull).sum(dim=1) - 2 * torch.linalg.slogdet(root).logabsdet
    constant = constant + mean.shape[1] * math.log(2 * math.pi)
    coefficients = torch.cat([precision.flatten(1), -2 * pull], dim=1)
    return partial(_polynomial, centre=centre, constant=constant, coefficients=coefficients, monomials=_products)


def _products(points: Float[Tensor, "m d"]) -> Float[Tensor, "m d*d"]:
    return (points[:, :, None] * points[:, None, :]).flatten(1)


def _polynomial(
    z: Float[Tensor, "m d"],
    centre: Float64[Tensor, " d"],
    constant: Float64[Tensor, " n"],
    coefficients: Float64[Tensor, "n k"],
    monomials: Callable[[Tensor], Tensor],
) -> Float[Tensor, "m n"]:
    """Return -1/2 (constant + a quadratic polynomial of z - centre), for each row of coefficients."""
    points = exact(z) - centre
    terms = torch.cat([monomials(points), points], dim=1)
    return rounded(torch.addmm(constant, terms, coefficients.T, beta=-0.5, alpha=-0.5), z)
