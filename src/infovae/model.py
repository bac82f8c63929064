"""What metrics and pictures need of a model, wherever it was trained."""

from typing import NamedTuple, Protocol, runtime_checkable

from jaxtyping import Float, Int64
from torch import Tensor
from torch.distributions import Distribution

from infovae.codes import Codes
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

    def encode(self, images: Float[Tensor, "n c h w"]) -> Distribution:
        """Return q(z|x) with batch shape (n,) and event shape (d,), for pixels in [0, 1]."""

    def decode(self, z: Float[Tensor, "n d"]) -> Distribution:
        """Return p(x|z) with batch shape (n,) and event shape (c, h, w)."""


class Observed(NamedTuple):
    """n examples and their codes.

    Attributes:
        images: pixels in [0, 1], as the encoder got them.
        labels: classes.
        codes: the codes of the same examples.
        factors: the value of each known factor of variation; None if the data set has none.
    """

    images: Float[Tensor, "n c h w"]
    labels: Int64[Tensor, " n"]
    codes: Codes
    factors: Int64[Tensor, "n k"] | None = None

    def take(self, chosen: Tensor | slice) -> "Observed":
        """Return some of the examples, chosen by position or by mask."""
        factors = None if self.factors is None else self.factors[chosen]
        return Observed(self.images[chosen], self.labels[chosen], self.codes.take(chosen), factors)


def sample_codes(
    model: Model, images: Float[Tensor, "n c h w"], noise: Float[Tensor, "n d"], dataset_size: int
) -> Codes:
    """Return one code z ~ q(z|x) for each image, drawn by the model's own ``reparameterize`` if it has one.

    A model without that method is sampled by :func:`infovae.posteriors.posterior.sample_posterior`.

    Args:
        model: the model that encodes.
        images: pixels in [0, 1].
        noise: draws from N(0, I).
        dataset_size: N, the size of the data set that the images come from.

    Raises:
        ValueError: the model has no such method, and its posterior is neither Gaussian nor a point mass.
    """
    posterior = model.encode(images)
    reparameterize = getattr(model, "reparameterize", sample_posterior)
    z = reparameterize(posterior, noise.to(posterior.mean))
    return codes_of(posterior, z, dataset_size)


def codes_of(posterior: Distribution, z: Float[Tensor, "n d"], dataset_size: int) -> Codes:
    """Return samples of a posterior with its moments, as metrics and divergences take them."""
    return Codes(z, posterior.mean, posterior.variance, dataset_size, getattr(posterior, "conditional", None))
