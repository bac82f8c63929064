"""q(z|x) by inverse autoregressive flow (Kingma et al. 2016, arXiv 1606.04934)."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import ClassVar, NamedTuple, cast

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn
from torch.distributions import Distribution, Normal
from torch.distributions.constraints import Constraint
from torch.quasirandom import SobolEngine
from zuko.flows import MaskedAutoregressiveTransform
from zuko.transforms import ComposedTransform

from infovae.codes import PairDensity
from infovae.errors import ArgumentError, require_at_least
from infovae.exact import exact
from infovae.posteriors.diagonal_gaussian import DiagonalGaussian, Scale
from infovae.posteriors.posterior import Posterior
from infovae.posteriors.whitening import whitening

TRAINING_POINTS = 4
"""How many points the moments of a training batch are averages over: they cost time, and few divergences use them."""


class IAF(Posterior):
    """z = mean(x) + scale(x) f(noise; h(x)), where f is a chain of autoregressive maps.

    Each map shifts and scales a dimension by a network of h(x) and of the dimensions before it. Every second map takes
    the dimensions in reverse order. The encoder outputs mean, scale and h, 3 numbers for each dimension. Training
    starts at the diagonal Gaussian, because f starts as the identity.

    One pass of the networks gives a sample and its density. The density of any other z takes d passes for each map.

    E[z|x] and Cov[z|x] have no closed form. They are averages over fixed points of mean 0 and covariance I, and so are
    exact where f is linear.

    Args:
        latent_dim: d.
        transforms: how many maps f consists of.
        hidden: the widths of the layers of each map's network.
        scale: see :class:`infovae.posteriors.diagonal_gaussian.DiagonalGaussian`.
        min_scale: the smallest scale.
        moment_points: how many points E[z|x] and Cov[z|x] are averages over. Training steps use 4.
    """

    parameters_per_dimension = 3
    has_density = True

    points: Tensor
    training_points: Tensor

    def __init__(
        self,
        latent_dim: int,
        transforms: int = 2,
        hidden: Sequence[int] = (64, 64),
        scale: Scale = "exp",
        min_scale: float = 0.0,
        moment_points: int = 64,
    ) -> None:
        super().__init__()
        require_at_least(1, transforms=transforms)
        if min(hidden, default=1) < 1:
            raise ArgumentError("hidden", list(hidden), "lists of whole numbers of at least 1", "too small")
        require_at_least(TRAINING_POINTS, moment_points=moment_points)
        self.diagonal = DiagonalGaussian(scale, min_scale)
        order = torch.arange(latent_dim)
        self.maps = nn.ModuleList(
            MaskedAutoregressiveTransform(
                latent_dim, latent_dim, order=order.flip(0) if number % 2 else order, hidden_features=hidden
            )
            for number in range(transforms)
        )
        for map_ in self.maps:
            for parameter in cast(nn.Sequential, map_.hyper)[-1].parameters():
                nn.init.zeros_(parameter)
        for name, count in (("points", moment_points), ("training_points", TRAINING_POINTS)):
            self.register_buffer(name, standard_points(count, latent_dim), persistent=False)

    def forward(self, parameters: Float[Tensor, "n k"]) -> Distribution:
        return Flow(parameters, self)

    def reparameterize(self, distribution: Distribution, noise: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        assert isinstance(distribution, Flow)
        return distribution.transform(noise)


class Flow(Distribution):
    """q(z|x) of an :class:`IAF` for n examples."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {}
    has_rsample = True

    def __init__(self, parameters: Float[Tensor, "n k"], family: IAF) -> None:
        diagonal, self.context = parameters.tensor_split([parameters.shape[-1] * 2 // 3], dim=-1)
        outer = family.diagonal(diagonal)
        self.location, self.scale = outer.mean, outer.stddev
        self.parameters, self.family = parameters, family
        self.latest: tuple[Tensor | None, Tensor | None] = (None, None)
        super().__init__(self.location.shape[:-1], self.location.shape[-1:], validate_args=False)

    def transform(self, noise: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        """Return the sample that draws from N(0, I) stand for, with gradient; remember its density."""
        with _full_precision(noise):
            inner, gained = self._chain().call_and_ladj(noise)
            z = self.location + self.scale * inner
            self.latest = (z, self._density(noise, gained))
        return z

    def rsample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        return self.transform(torch.randn(shape, dtype=self.location.dtype, device=self.location.device))

    def log_prob(self, value: Tensor) -> Tensor:
        z, known = self.latest
        if known is not None and value is z:
            return known
        with _full_precision(value):
            chain = self._chain()
            noise = chain.inv((value - self.location) / self.scale)
            return self._density(noise, chain.call_and_ladj(noise)[1])

    @cached_property
    def draws(self) -> Float[Tensor, "points n d"]:
        """The samples that the moments are averages over."""
        points = self.family.training_points if self.family.training else self.family.points
        with _full_precision(points):
            return self.location + self.scale * self._chain()(points[:, None].expand(-1, *self.location.shape))

    @property
    def mean(self) -> Tensor:
        return self.draws.mean(dim=0)

    @property
    def variance(self) -> Tensor:
        return self.draws.var(dim=0, correction=0)

    @property
    def conditional(self) -> "FlowConditional":
        """What :class:`infovae.codes.Codes` carry of these posteriors."""
        return FlowConditional(self.parameters, self.family)

    def take(self, chosen: Int64[Tensor, " m"]) -> "Flow":
        """Return the posteriors of some examples."""
        return Flow(self.parameters[chosen], self.family)

    def _chain(self) -> ComposedTransform:
        return ComposedTransform(*(map_(self.context) for map_ in self.family.maps))

    def _density(self, noise: Tensor, gained: Tensor) -> Tensor:
        """Return the log density of the sample that the noise makes, for the log determinant of the chain there."""
        return Normal(0.0, 1.0).log_prob(noise).sum(dim=-1) - gained - self.scale.log().sum(dim=-1)


class FlowConditional(NamedTuple):
    """The posteriors of n examples, as codes carry them; see :class:`infovae.codes.Conditional`.

    Attributes:
        parameters: the encoder's output.
        family: what makes posteriors from it.
    """

    parameters: Float[Tensor, "n k"]
    family: IAF

    @property
    def gaussian(self) -> bool:
        return False

    def rows(self) -> list[Tensor]:
        return [self.parameters]

    def with_rows(self, rows: Sequence[Tensor]) -> "FlowConditional":
        return FlowConditional(rows[0], self.family)

    def map(self, change: Callable[[Tensor], Tensor]) -> "FlowConditional":
        return FlowConditional(change(self.parameters), self.family)

    def covariance(self) -> Float64[Tensor, "d d"]:
        draws = exact(self.posterior().draws)
        deviations = (draws - draws.mean(dim=0)).flatten(0, 1)
        return deviations.T @ deviations / len(deviations)

    def density(self, mean: Float[Tensor, "n d"]) -> PairDensity:
        posterior = self.posterior()
        return lambda z: posterior.log_prob(z[:, None].to(posterior.location)).to(z)

    def posterior(self) -> Flow:
        """Return q(z|x), in the precision of the networks."""
        return Flow(self.parameters.to(self.family.points), self.family)


def standard_points(count: int, dimension: int) -> Float[Tensor, "count dimension"]:
    """Return scrambled Sobol points of N(0, I), moved and scaled to mean 0 and covariance I.

    With no more points than dimensions, only their variances are 1.
    """
    uniform = SobolEngine(dimension, scramble=True, seed=0).draw(count, dtype=torch.float64)
    points = torch.special.ndtri(uniform.clamp(1e-6, 1 - 1e-6))
    points = points - points.mean(dim=0)
    map_ = whitening(points.mean(dim=0), points.T @ points / count, "cholesky" if count > dimension else "diagonal")
    return (points @ map_.matrix.T).float()


def _full_precision(like: Tensor) -> torch.autocast:
    return torch.autocast(like.device.type, enabled=False)
