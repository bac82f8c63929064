"""Radial kernels: functions of the squared distance s = ||x - y||^2 alone.

Memory holds at most an (n, m) matrix of squared distances, and ``pair_sum.py`` only a tile of it. Each kernel except
the energy kernel is 1 at s = 0, so lambda_ has the same scale for all of them. The energy kernel -||x - y|| is 0 there
and unbounded below; its lambda_ is in units of 1 / distance.

**lambda_ means nothing without its kernel.** At d = 64 the authors' exp(-s / d^2) can't tell N(0, I) from a
standard deviation of 1.3; exp(-s / (2 d)) can. So the default bandwidth grows like sqrt(d).

A new kernel is a subclass with ``evaluate`` and a YAML in ``conf/divergence/kernel/``. Autograd supplies its
derivatives.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.divergences.bandwidths import Bandwidth, squared_number
from infovae.errors import ArgumentError
from infovae.exact import exact, rounded

Pairs = Float[Tensor, "*pairs"]
Variance = float | Float[Tensor, ""]
"""sigma^2 of a kernel; a tensor where a rule takes it from the codes."""

FAR = 32.0
"""float32 is precise enough for points whose coordinates, about their centre, are at most this."""


def is_far(points: Float[Tensor, "*b n d"]) -> bool:
    """Return whether float32 would lose the distances between neighbours, by rounding of about eps * ||x||^2.

    Compiled code is one fixed sequence of operations: it can't choose, and stays in float32.
    """
    if points.dtype == torch.float64 or torch.compiler.is_compiling() or points.numel() == 0:
        return False
    # The maximum norm by torch.linalg.vector_norm takes ten times as long on a CPU.
    return points.detach().abs().amax().item() > FAR


def squared_distances(x: Float[Tensor, "*b n d"], y: Float[Tensor, "*b m d"]) -> Float[Tensor, "*b n m"]:
    """Return ||x_i - y_j||^2, never below 0, by one matrix product and without an (n, m, d) tensor.

    Moving both by the mean of y keeps the cancellation small for two clouds that lie far from the origin. Where the
    points lie far from that mean (:func:`is_far`), the product is computed in float64.
    """
    shift = y.detach().mean(dim=-2, keepdim=True)
    x_moved, y_moved = x - shift, y - shift
    if is_far(x_moved) or is_far(y_moved):
        return rounded(centred_squared_distances(exact(x) - exact(shift), exact(y) - exact(shift)), x)
    return centred_squared_distances(x_moved, y_moved)


def centred_squared_distances(x: Float[Tensor, "*b n d"], y: Float[Tensor, "*b m d"]) -> Float[Tensor, "*b n m"]:
    """Return :func:`squared_distances` of points near the origin, as ||x||^2 - 2 <x, y> + ||y||^2."""
    x_norms = x.square().sum(dim=-1)[..., :, None]
    y_norms = y.square().sum(dim=-1)[..., None, :]
    if x.ndim == 2:
        return torch.addmm(y_norms, x, y.T, alpha=-2).add_(x_norms).clamp_min_(0)
    return torch.baddbmm(y_norms, x, y.mT, alpha=-2).add_(x_norms).clamp_min_(0)


@dataclass(frozen=True)
class Kernel(ABC):
    """A radial kernel k(x, y) = k(||x - y||^2; sigma^2) with a bandwidth rule."""

    bandwidth: Bandwidth = "2d"

    height: ClassVar[float] = 1.0
    """k(x, x)."""

    smooth: ClassVar[bool] = True
    """Whether k is twice differentiable in s at 0, as Stein's method requires."""

    def __post_init__(self) -> None:
        if not isinstance(self.bandwidth, str):
            squared_number(self.bandwidth)

    @abstractmethod
    def evaluate(self, squared_distance: Pairs, squared_bandwidth: Variance) -> Pairs:
        """Return k(s), elementwise."""

    def derivatives(self, squared_distance: Pairs, squared_bandwidth: Variance, order: int) -> list[Pairs]:
        """Return k and its derivatives in s up to an order, elementwise and without gradient."""
        # Lightning evaluates in inference mode, which would turn autograd off here too.
        with torch.inference_mode(False), torch.enable_grad():
            leaf = squared_distance.clone().requires_grad_()
            terms = [self.evaluate(leaf, squared_bandwidth)]
            for _ in range(order):
                terms += torch.autograd.grad(terms[-1].sum(), leaf, create_graph=len(terms) < order)
        return [term.detach() for term in terms]

    def distance_scale(self, squared_bandwidth: float) -> float:
        """Return the factor of s in :meth:`on_scaled`; the matrix product that computes s applies it."""
        return 1.0

    def on_scaled(
        self, scaled_distance: Pairs, squared_bandwidth: float, wants_slope: bool
    ) -> tuple[Pairs, Pairs, float]:
        """Return k, a multiple of k', and the factor that turns the multiple into k'.

        Args:
            scaled_distance: s times :meth:`distance_scale`, overwritten; rounding may give it the wrong sign.
            squared_bandwidth: sigma^2.
            wants_slope: whether the caller uses the second result.
        """
        value, *slope = self.derivatives(scaled_distance.clamp_min_(0), squared_bandwidth, order=int(wants_slope))
        return value, slope[0] if slope else value, 1.0


class NormalMeanKernel(Kernel):
    """A kernel with closed forms of its expectations under y, y' ~ N(0, I)."""

    def normal_mean(self, z: Float[Tensor, "n d"], squared_bandwidth: Variance) -> Float[Tensor, " n"]:
        """Return E_y k(z, y)."""
        return self.normal_mean_derivatives(z.square().sum(dim=1), z.shape[1], squared_bandwidth)[0]

    @abstractmethod
    def normal_mean_derivatives(
        self, squared_norm: Float[Tensor, " n"], dimension: int, squared_bandwidth: Variance
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        """Return E_y k(z, y), which depends on z only through ||z||^2, and its derivative in ||z||^2."""

    @abstractmethod
    def normal_mean_mean(self, dimension: int, squared_bandwidth: Variance) -> Variance:
        """Return E k(y, y')."""


EXPONENT = -0.5 / math.log(2)
"""exp(-s / 2) is 2 to the power of s times this."""


@dataclass(frozen=True)
class Gaussian(NormalMeanKernel):
    """exp(-s / (2 sigma^2)).

    With a = sigma^2:  E_y k(z, y) = (a / (a + 1))^(d/2) exp(-||z||^2 / (2 (a + 1))),  E k(y, y') = (a / (a + 2))^(d/2).
    """

    def evaluate(self, squared_distance: Pairs, squared_bandwidth: Variance) -> Pairs:
        # exp2, because torch's exp takes four times as long on a CPU.
        return (squared_distance * (EXPONENT / squared_bandwidth)).exp2_()

    def derivatives(self, squared_distance: Pairs, squared_bandwidth: Variance, order: int) -> list[Pairs]:
        terms = [self.evaluate(squared_distance, squared_bandwidth)]
        for _ in range(order):
            terms.append(terms[-1] * (-0.5 / squared_bandwidth))
        return terms

    def distance_scale(self, squared_bandwidth: float) -> float:
        return EXPONENT / squared_bandwidth

    def on_scaled(
        self, scaled_distance: Pairs, squared_bandwidth: float, wants_slope: bool
    ) -> tuple[Pairs, Pairs, float]:
        value = scaled_distance.clamp_max_(0).exp2_()
        return value, value, -0.5 / squared_bandwidth

    def normal_mean_derivatives(
        self, squared_norm: Float[Tensor, " n"], dimension: int, squared_bandwidth: Variance
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        wider = squared_bandwidth + 1
        value = self.evaluate(squared_norm, wider) * (squared_bandwidth / wider) ** (dimension / 2)
        return value, value * (-0.5 / wider)

    def normal_mean_mean(self, dimension: int, squared_bandwidth: Variance) -> Variance:
        return (squared_bandwidth / (squared_bandwidth + 2)) ** (dimension / 2)


@dataclass(frozen=True)
class GaussianSum(NormalMeanKernel):
    """The average of Gaussian kernels with bandwidths sigma * multiplier, one for each multiplier."""

    multipliers: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.multipliers or min(self.multipliers) <= 0:
            raise ArgumentError("multipliers", list(self.multipliers), "lists of numbers above 0")

    def evaluate(self, squared_distance: Pairs, squared_bandwidth: Variance) -> Pairs:
        return self._average(lambda multiplier: GAUSSIAN.evaluate(squared_distance, squared_bandwidth * multiplier**2))

    def derivatives(self, squared_distance: Pairs, squared_bandwidth: Variance, order: int) -> list[Pairs]:
        terms = [
            GAUSSIAN.derivatives(squared_distance, squared_bandwidth * multiplier**2, order)
            for multiplier in self.multipliers
        ]
        return [sum(parts[1:], start=parts[0]) / len(parts) for parts in zip(*terms, strict=True)]

    def normal_mean_derivatives(
        self, squared_norm: Float[Tensor, " n"], dimension: int, squared_bandwidth: Variance
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        terms = [
            GAUSSIAN.normal_mean_derivatives(squared_norm, dimension, squared_bandwidth * multiplier**2)
            for multiplier in self.multipliers
        ]
        value, slope = (sum(parts[1:], start=parts[0]) / len(parts) for parts in zip(*terms, strict=True))
        return value, slope

    def normal_mean_mean(self, dimension: int, squared_bandwidth: Variance) -> Variance:
        return self._average(lambda multiplier: GAUSSIAN.normal_mean_mean(dimension, squared_bandwidth * multiplier**2))

    def _average(self, term: Callable[[float], Any]) -> Any:
        return sum(map(term, self.multipliers)) / len(self.multipliers)


GAUSSIAN = Gaussian()


@dataclass(frozen=True)
class InverseMultiquadratic(Kernel):
    """C / (C + s) with C = 2 sigma^2; the rule ``2d`` makes it C = 2 d (Tolstikhin et al. 2018)."""

    def evaluate(self, squared_distance: Pairs, squared_bandwidth: Variance) -> Pairs:
        return 1 / (1 + squared_distance / (2 * squared_bandwidth))

    def derivatives(self, squared_distance: Pairs, squared_bandwidth: Variance, order: int) -> list[Pairs]:
        return RATIONAL_OF_1.derivatives(squared_distance, squared_bandwidth, order)


@dataclass(frozen=True)
class RationalQuadratic(Kernel):
    """(1 + s / (2 alpha sigma^2))^(-alpha): a mean of Gaussian kernels whose precision has a Gamma distribution.

    A smaller alpha has a heavier tail. alpha = 1 is the inverse multi-quadratic kernel, alpha -> inf the Gaussian.
    """

    alpha: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.alpha > 0:
            raise ArgumentError("alpha", self.alpha, "numbers above 0")

    def evaluate(self, squared_distance: Pairs, squared_bandwidth: Variance) -> Pairs:
        return (1 + squared_distance / (2 * self.alpha * squared_bandwidth)) ** -self.alpha

    def derivatives(self, squared_distance: Pairs, squared_bandwidth: Variance, order: int) -> list[Pairs]:
        length = 2 * self.alpha * squared_bandwidth
        inverse = (squared_distance / length).add_(1).reciprocal_()
        terms = [inverse**self.alpha]
        for previous in range(order):
            terms.append(terms[-1] * inverse * (-(self.alpha + previous) / length))
        return terms


RATIONAL_OF_1 = RationalQuadratic(alpha=1.0)


@dataclass(frozen=True)
class Laplacian(Kernel):
    """exp(-||x - y|| / sigma), with the Euclidean norm."""

    smooth = False

    def evaluate(self, squared_distance: Pairs, squared_bandwidth: Variance) -> Pairs:
        return torch.exp(-_distance(squared_distance) / squared_bandwidth**0.5)

    def derivatives(self, squared_distance: Pairs, squared_bandwidth: Variance, order: int) -> list[Pairs]:
        # 4 s k'' + 2 k' = k / sigma^2; each further order differentiates this once more.
        terms = [self.evaluate(squared_distance, squared_bandwidth)]
        if order:
            terms.append(terms[0] * _inverse(squared_distance).sqrt() * (-0.5 / squared_bandwidth**0.5))
        for previous in range(order - 1):
            before, last = terms[-2:]
            terms.append((before / squared_bandwidth - (4 * previous + 2) * last) * _inverse(squared_distance) / 4)
        return terms


@dataclass(frozen=True)
class Energy(Kernel):
    """-||x - y|| / sigma; with sigma = 1, MMD^2 is the energy distance (Szekely & Rizzo 2013; Sejdinovic et al. 2013).

    The energy distance is 2 E||z - y|| - E||z - z'|| - E||y - y'||. Its bandwidth only sets the unit of length.
    """

    bandwidth: Bandwidth = 1.0
    height = 0.0
    smooth = False

    def evaluate(self, squared_distance: Pairs, squared_bandwidth: Variance) -> Pairs:
        return -_distance(squared_distance) / squared_bandwidth**0.5

    def derivatives(self, squared_distance: Pairs, squared_bandwidth: Variance, order: int) -> list[Pairs]:
        terms = [self.evaluate(squared_distance, squared_bandwidth)]
        for previous in range(order):
            terms.append(terms[-1] * _inverse(squared_distance) * (0.5 - previous))
        return terms


def _distance(squared_distance: Pairs) -> Pairs:
    """Return sqrt(s), with gradient 0 at its kink s = 0: coinciding points don't pull each other."""
    return squared_distance.clamp_min(torch.finfo(squared_distance.dtype).tiny).sqrt()


def _inverse(squared_distance: Pairs) -> Pairs:
    """Return 1 / s, and 0 at s = 0: coinciding points don't pull each other."""
    tiny = torch.finfo(squared_distance.dtype).tiny
    return torch.where(squared_distance < tiny, 0.0, squared_distance.reciprocal())
