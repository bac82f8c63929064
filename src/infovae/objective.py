"""The InfoVAE objective, equation (6) of Zhao, Song, Ermon (arXiv 1706.02262).

    loss = reconstruction + (1 - alpha) * rate + (alpha + lambda_ - 1) * D(q(z) || p(z))

Each model in ``conf/model/`` is a point (alpha, lambda_) of this family, or a path if a weight moves.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, kl_divergence

from infovae.errors import ArgumentError
from infovae.parallel import rank_and_world_size, sum_over_processes
from infovae.schedules.controller import Controller
from infovae.schedules.schedule import Schedule
from infovae.schedules.weight import MovingWeight
from infovae.terms import Terms

CHECKED = 1000
"""At how many steps the weights of two schedules are checked together, beside those where one of them turns."""

Number = float | Float[Tensor, ""]
"""A number of the objective: a tensor where it moves."""


def rate(
    posterior: Distribution,
    prior: Distribution,
    z: Float[Tensor, "n d"],
    log_ratio: Float[Tensor, "k n"] | None = None,
) -> Float[Tensor, " n"]:
    """Return KL(q(z|x) || p(z)) in nats: in closed form if torch.distributions has one, else from samples.

    Args:
        posterior: q(z|x).
        prior: p(z).
        z: a sample of each example.
        log_ratio: log q(z|x) - log p(z) of k samples of each; where it is known, its mean is taken in place of ``z``.
    """
    try:
        divergence: Tensor = kl_divergence(posterior, prior)
    except NotImplementedError:
        divergence = posterior.log_prob(z) - prior.log_prob(z) if log_ratio is None else log_ratio.mean(dim=0)
    return divergence


def rates_of_dimensions(posterior: Distribution, prior: Distribution) -> Float[Tensor, "n d"]:
    """Return KL(q(z_k|x) || p(z_k)) of each latent dimension k in nats; their sum is the rate.

    Raises:
        ArgumentError: the dimensions of one of the two aren't independent, or a dimension has no closed form.
    """
    try:
        if isinstance(posterior, Independent) and isinstance(prior, Independent):
            return kl_divergence(posterior.base_dist, prior.base_dist)
    except NotImplementedError:
        pass
    why = "under this posterior and prior the rate isn't a sum over dimensions in closed form"
    raise ArgumentError("objective.free_bits_per", "dimension", "whole", why)


class Weights(NamedTuple):
    """The weights of rate and divergence in the loss; that of the reconstruction is 1."""

    rate: Number
    divergence: Number


def infovae_loss(
    reconstruction: Float[Tensor, ""],
    rate: Float[Tensor, ""],
    divergence: Float[Tensor, ""] | None,
    alpha: Number,
    lambda_: Number,
) -> Float[Tensor, ""]:
    """Return the loss of equation (6) at a point of the family, in nats per example.

    Training, whose weights may move, calls :func:`weighted_loss`.

    Args:
        reconstruction: -E log p(x|z), summed over pixels, averaged over the batch.
        rate: E KL(q(z|x) || p(z)), summed over latent dimensions, averaged over the batch.
        divergence: D(q(z) || p(z)), or None if its weight is 0.
        alpha: the reward on the mutual information I_q(x;z).
        lambda_: the weight on the divergence of q(z) from the prior in equation (5).

    Raises:
        ArgumentError: the divergence has a weight, but is None.
    """
    weights = Weights(1 - alpha, _divergence_weight(alpha, lambda_))
    if divergence is None and is_weighed(weights.divergence):
        raise ArgumentError("divergence", None, "a scalar tensor", f"its weight is {weights.divergence:g}")
    found = torch.zeros_like(rate) if divergence is None else divergence
    return weighted_loss(Terms(reconstruction, rate, found), weights)


def weighted_loss(terms: Terms, weights: Weights) -> Float[Tensor, ""]:
    """Return the loss that training minimises and evaluation measures: equation (6) by its weights, in nats."""
    bound = terms.bound
    if bound is None:
        bound = add_weighted(terms.reconstruction, weights.rate, terms.rate)
    return add_weighted(bound, weights.divergence, terms.divergence)


def add_weighted(loss: Float[Tensor, ""], weight: Number, term: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Return loss + weight * term; a term whose weight is the number 0 is left out, not multiplied by 0.

    An infinite rate (deterministic posterior) then can't reach the gradient.
    """
    return loss + weight * term if is_weighed(weight) else loss


def is_weighed(weight: Number) -> bool:
    """Return whether a term has a weight; one that moves may have one later."""
    return isinstance(weight, Tensor) or weight != 0


def _divergence_weight(alpha: Number, lambda_: Number) -> Number:
    """Return alpha + lambda_ - 1: exactly 0 if only rounding differs from 0, as for (1 - beta, beta)."""
    weight = alpha + lambda_ - 1
    if isinstance(alpha, Tensor) or isinstance(lambda_, Tensor):
        return weight
    return 0.0 if math.isclose(weight, 0, abs_tol=1e-12 * (1 + abs(alpha) + lambda_)) else weight


class Objective(nn.Module):
    """A point (alpha, lambda_) of the InfoVAE family, or a path through it.

    Each of the two is a number, a schedule or a controller. Training weighs by :meth:`weights`; validation, test and
    ``best.ckpt`` weigh by :meth:`evaluation_weights` in every epoch, so that epochs compare.

    Args:
        alpha: the reward on the mutual information I_q(x;z). A controller in its place sets 1 - alpha.
        lambda_: the weight on the divergence of q(z) from the prior in equation (5).
        free_bits: nats of the rate that cost nothing in training (Kingma et al. 2016, arXiv 1606.04934, equation 15).
        free_bits_per: whether each latent dimension has them, or the whole rate.

    Raises:
        ArgumentError: the paper's Proposition 2 excludes the point, or one on the path. ``lambda_ = 0`` is accepted
            nevertheless: it is the unregularised autoencoder, a baseline.
    """

    names: ClassVar[tuple[str, ...]] = ("alpha", "lambda_")
    """The attributes that make a point."""

    moving: dict[str, MovingWeight]
    """The schedules and controllers, by the name of what they stand for."""

    controllers: dict[str, Controller]
    """The controllers alone."""

    def __init__(
        self,
        alpha: float | MovingWeight = 0.0,
        lambda_: float | MovingWeight = 1.0,
        free_bits: float | None = None,
        free_bits_per: Literal["dimension", "whole"] = "dimension",
    ) -> None:
        super().__init__()
        self.alpha, self.lambda_ = alpha, lambda_
        self.free_bits, self.free_bits_per = free_bits, free_bits_per
        self._check()

    @staticmethod
    def beta_vae(
        beta: float | MovingWeight,
        free_bits: float | None = None,
        free_bits_per: Literal["dimension", "whole"] = "dimension",
    ) -> "Objective":
        """Return the point of the beta-VAE, or a path through such points.

        Raises:
            ArgumentError: beta is negative or not finite.
        """
        return BetaVAE(beta, free_bits, free_bits_per)

    @property
    def length(self) -> int:
        """Return after how many steps all schedules have ended."""
        return max((weight.length for weight in self.moving.values()), default=0)

    @property
    def weighs_divergence(self) -> bool:
        """Return whether the divergence has a weight in any step."""
        return self.heaviest_divergence != 0

    def shown(self, name: str) -> str:
        """Return a number for an error's text, or the class of what moves it."""
        number = self._given()[name]
        return type(number).__name__ if isinstance(number, MovingWeight) else f"{number:g}"

    def extra_repr(self) -> str:
        free_bits = "" if self.free_bits is None else f", free_bits={self.free_bits:g} per {self.free_bits_per}"
        return ", ".join(f"{name}={self.shown(name)}" for name in self.names) + free_bits

    def point(self) -> dict[str, Number]:
        """Return alpha and lambda_, or beta, as they are now."""
        return self._point_at({name: weight.value for name, weight in self.moving.items()})

    def weights(self) -> Weights:
        """Return the weights of a training step; the number 0 for a term that has no weight in any step."""
        weights = self._weigh(**self.point())
        return Weights(weights.rate if self.weighs_rate else 0.0, weights.divergence if self.weighs_divergence else 0.0)

    def evaluation_weights(self) -> Weights:
        """Return the weights of validation, test and ``best.ckpt``."""
        return self._weigh(**self._point_at({name: weight.evaluated_at for name, weight in self.moving.items()}))

    def move(self, step: int) -> None:
        """Let the schedules take their values of a training step, counted from 0."""
        for weight in self.moving.values():
            if isinstance(weight, Schedule):
                weight.move(step)

    def after_step(self, terms: Terms) -> None:
        """Let the controllers set the weights of the next step."""
        for controller in self.controllers.values():
            controller.after_step(terms)

    def charged_rate(
        self, posterior: Distribution, prior: Distribution, rates: Float[Tensor, " m"], n: int
    ) -> Float[Tensor, ""]:
        """Return this process's share of the global batch's rate, or of the free bits if they are more.

        Args:
            posterior: q(z|x) of this process's m examples.
            prior: p(z).
            rates: of these examples.
            n: the number of examples in the global batch.
        """
        assert self.free_bits is not None
        if self.free_bits_per == "dimension":
            rates = rates_of_dimensions(posterior, prior)
        processes = rank_and_world_size()[1]
        share = rates.sum(dim=0) * (processes / n)
        mean = sum_over_processes(share.detach()) / processes
        return torch.where(mean > self.free_bits, share, self.free_bits).sum()

    def _given(self) -> dict[str, float | MovingWeight]:
        return {name: getattr(self, name) for name in self.names}

    def _point_at(self, values: Mapping[str, Number]) -> dict[str, Any]:
        """Return a point, all numbers, from the value of each weight that moves."""
        point = {**self._given(), **values}
        if "alpha" in self.controllers:
            point["alpha"] = 1 - values["alpha"]
        return point

    def _check(self) -> None:
        """Check every point of the path, and find out what moves, and which terms have a weight on it."""
        for name, number in self._given().items():
            if not isinstance(number, MovingWeight | Real):
                accepted = "a number, or a subclass of infovae.schedules.schedule.Schedule or controller.Controller"
                raise ArgumentError(name, type(number).__name__, accepted, "neither a number nor a schedule")
        self.moving = {name: number for name, number in self._given().items() if isinstance(number, MovingWeight)}
        self.controllers = {name: weight for name, weight in self.moving.items() if isinstance(weight, Controller)}
        passed = [self._weigh(**point) for point in self._path()]
        self.weighs_rate = any(weights.rate != 0 for weights in passed)
        self.heaviest_divergence = max(float(weights.divergence) for weights in passed)
        if (free_bits := self.free_bits) is not None and not 0 <= free_bits < math.inf:
            raise ArgumentError("free_bits", f"{free_bits:g}", "null, and finite values of at least 0")
        if free_bits is not None and not self.weighs_rate:
            raise ArgumentError("free_bits", f"{free_bits:g}", "null", "the rate has weight 0, so all of it is free")

    def _path(self) -> Iterator[dict[str, float]]:
        """Yield the points that the weights pass, or may pass.

        Raises:
            ArgumentError: one of them is outside the family.
        """
        turns = {step for weight in self.moving.values() for step in weight.turns}
        for step in sorted({0, *turns, *range(0, self.length, max(1, self.length // CHECKED))}):
            ranges = {name: weight.range_at(step) for name, weight in self.moving.items()}
            for values in itertools.product(*ranges.values()):
                point = self._point_at(dict(zip(ranges, values, strict=True)))
                where = f" at step {step}" if self.length else " at a bound" if ranges else ""
                self._refuse(where, **point)
                yield point

    def _refuse(self, where: str, alpha: float, lambda_: float) -> None:
        """Refuse a point outside the family."""
        if not math.isfinite(alpha) or alpha > 1:
            raise ArgumentError("alpha", f"{alpha:g}{where}", "finite values of at most 1")
        if not math.isfinite(lambda_) or lambda_ < 0:
            raise ArgumentError("lambda_", f"{lambda_:g}{where}", "finite values of at least 0")
        if (weight := _divergence_weight(alpha, lambda_)) < 0:
            why = f"with alpha={alpha:g} the divergence would be rewarded (alpha + lambda_ - 1 = {weight:g})"
            if "lambda_" in self.controllers:
                raise ArgumentError("lambda_.low", f"{lambda_:g}", f"values of at least {1 - alpha:g}", why)
            if "alpha" in self.controllers:
                accepted = f"values of at most {lambda_:g}, which is lambda_{where if self.length else ''}"
                raise ArgumentError("alpha.high", f"{1 - alpha:g}", accepted, why)
            raise ArgumentError("lambda_", f"{lambda_:g}{where}", f"lambda_ >= {1 - alpha:g}", why)

    def _weigh(self, alpha: Number, lambda_: Number) -> Weights:
        return Weights(1 - alpha, _divergence_weight(alpha, lambda_))


class BetaVAE(Objective):
    """The beta-VAE (Higgins et al. 2017), reconstruction + beta * rate: the point (1 - beta, beta).

    Args:
        beta: the weight on the rate: a number, a schedule or a controller.
        free_bits: see :class:`Objective`.
        free_bits_per: see :class:`Objective`.

    Raises:
        ArgumentError: beta is negative or not finite, in any step.
    """

    names = ("beta",)

    def __init__(
        self,
        beta: float | MovingWeight,
        free_bits: float | None = None,
        free_bits_per: Literal["dimension", "whole"] = "dimension",
    ) -> None:
        nn.Module.__init__(self)
        self.beta = beta
        self.free_bits, self.free_bits_per = free_bits, free_bits_per
        self._check()

    def _refuse(self, where: str, beta: float) -> None:  # type: ignore[override]
        if not math.isfinite(beta) or beta < 0:
            raise ArgumentError("beta", f"{beta:g}{where}", "finite values of at least 0")

    def _weigh(self, beta: Number) -> Weights:  # type: ignore[override]
        alpha = 1 - beta  # rounding included, as in the point (1 - beta, beta)
        return Weights(1 - alpha, 0.0)
