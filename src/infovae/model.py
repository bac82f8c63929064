"""What metrics and pictures need of a model, wherever it was trained."""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from infovae.codes import Codes, Conditional, MomentsOnly
from infovae.errors import ArgumentError
from infovae.posteriors.point_mass import PointMass
from infovae.posteriors.posterior import sample_posterior
from infovae.priors.prior import Prior


@runtime_checkable
class Model(Protocol):
    """A latent variable model p(z) p(x|z) with an amortised posterior q(z|x), in evaluation mode.

    A model may also have ``reparameterize(posterior, noise)``, with the meaning of
    :meth:`infovae.posteriors.posterior.Posterior.reparameterize`; see :func:`sample_codes`.
    """

    prior: Prior
    """p(z)."""

    def encode(self, x: Float[Tensor, "n c *s"]) -> Distribution:
        """Return q(z|x) with batch shape (n,) and event shape (d,); pixels lie in [0, 1]."""

    def decode(self, z: Float[Tensor, "n d"]) -> Distribution:
        """Return p(x|z) with batch shape (n,) and event shape (c, *s)."""


class Observed(NamedTuple):
    """n examples and their codes.

    Attributes:
        x: the examples, as the encoder got them: pixels in [0, 1], for instance.
        labels: classes.
        codes: the codes of the same examples.
        factors: the value of each known factor of variation; None if the data set has none.
        conditions: what the model was conditioned on; None if on nothing.
    """

    x: Float[Tensor, "n c *s"]
    labels: Int64[Tensor, " n"]
    codes: Codes
    factors: Int64[Tensor, "n k"] | None = None
    conditions: Float[Tensor, "n k"] | None = None

    @property
    def images(self) -> Float[Tensor, "n c h w"]:
        """``x``, under its name in version 0.1."""
        return self.x

    def take(self, chosen: Tensor | slice) -> "Observed":
        """Return some of the examples, chosen by position or by mask."""
        rest = (None if part is None else part[chosen] for part in (self.factors, self.conditions))
        return Observed(self.x[chosen], self.labels[chosen], self.codes.take(chosen), *rest)


class Conditioned:
    """A conditional model under given conditions: a :class:`Model` again.

    Args:
        model: an :class:`infovae.module.InfoVAE` with a condition.
        conditions: a row for each example; a batch of several codes of each, one set after the other, repeats them.

    Encoding and decoding raise ArgumentError: a batch isn't of as many rows as the conditions, or of a multiple.
    """

    def __init__(self, model: Any, conditions: Float[Tensor, "n k"]) -> None:
        self.model = model
        self.conditions = conditions

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def encode(self, x: Float[Tensor, "n c *s"]) -> Distribution:
        return self.model.encode(x, self._rows(len(x)))

    def decode(self, z: Float[Tensor, "n d"]) -> Distribution:
        return self.model.decode(z, self._rows(len(z)))

    def _rows(self, n: int) -> Float[Tensor, "n k"]:
        rows = len(self.conditions)
        if n % rows:
            accepted = f"multiples of {rows}; infovae.model.given says what others are conditioned on"
            raise ArgumentError("rows", n, accepted, f"the conditions are of {rows} examples")
        return self.conditions.repeat(n // rows, 1)


def conditions_of(
    model: Model, labels: Int64[Tensor, " n"], columns: Float[Tensor, "n k"] | None
) -> Float[Tensor, "n k"] | None:
    """Return what a model is conditioned on, from the labels and condition columns of a batch; None if on nothing."""
    condition = getattr(model, "condition", None)
    return None if condition is None else condition.of(labels, columns)


def given(model: Model, conditions: Float[Tensor, "n k"] | None) -> Model:
    """Return a model under conditions; the model itself if there are none."""
    if conditions is None or not len(conditions):
        return model
    return Conditioned(model.model if isinstance(model, Conditioned) else model, conditions)


def sample_codes(model: Model, x: Float[Tensor, "n c *s"], noise: Float[Tensor, "n d"], dataset_size: int) -> Codes:
    """Return one code z ~ q(z|x) for each example, drawn by the model's own ``reparameterize`` if it has one.

    A model without that method is sampled by :func:`infovae.posteriors.posterior.sample_posterior`.

    Args:
        model: the model that encodes.
        x: the examples.
        noise: draws from N(0, I).
        dataset_size: N, the size of the data set that the examples come from.

    Raises:
        ValueError: the model has no such method, and its posterior is neither Gaussian nor a point mass.
    """
    posterior = model.encode(x)
    reparameterize = getattr(model, "reparameterize", sample_posterior)
    z = reparameterize(posterior, noise.to(posterior.mean))
    return codes_of(posterior, z, dataset_size)


def codes_of(posterior: Distribution, z: Float[Tensor, "n d"], dataset_size: int) -> Codes:
    """Return samples of a posterior with its moments, as metrics and divergences take them."""
    return Codes(z, posterior.mean, posterior.variance, dataset_size, conditional_of(posterior))


def conditional_of(posterior: Distribution) -> Conditional | None:
    """Return what codes carry of posteriors beside their moments; None for diagonal Gaussians and point masses."""
    own: Conditional | None = getattr(posterior, "conditional", None)
    base = posterior.base_dist if isinstance(posterior, Independent) else posterior
    if own is not None or isinstance(base, Normal | PointMass):
        return own
    variance = posterior.variance
    return MomentsOnly(torch.where(variance == 0, variance, torch.nan) if base is posterior else variance)
