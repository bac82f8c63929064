"""The interface of a posterior family q(z|x), and how its codes are drawn."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from infovae.errors import ArgumentError
from infovae.posteriors.linear_gaussian import LinearGaussian
from infovae.posteriors.point_mass import PointMass


class Posterior(nn.Module, ABC):
    """Turn the encoder's output into q(z|x), and draw codes from it.

    A posterior of your own defines the two class variables and :meth:`forward`. It also defines :meth:`reparameterize`,
    unless ``forward`` returns a diagonal Gaussian or a point mass. Training, validation, ``evaluate`` and the pictures
    draw z by that method alone, so they all see the same codes.

    The distribution from ``forward`` needs ``mean`` and ``variance``, and ``log_prob`` if ``has_density``. The metrics
    of log p(x) also draw by its ``sample``: that must follow the same law as ``reparameterize``. The density of q(z),
    and its covariance where dimensions depend on each other, need ``Independent(Normal(...), 1)``, or an attribute
    ``conditional``, an :class:`infovae.codes.Conditional`. Without, metrics of them are nan, and divergences refused.
    """

    parameters_per_dimension: int
    """How many numbers the encoder outputs for each latent dimension."""

    has_density: bool
    """Whether log q(z|x) exists. Without it the rate is infinite and can't be optimised."""

    needs_calibration: bool = False
    """Whether :meth:`calibrate` does anything."""

    minimum_batch: int = 1
    """The fewest examples that training can see together."""

    @property
    def family(self) -> str:
        """What to call this family in an error."""
        return type(self).__name__

    @abstractmethod
    def forward(self, parameters: Float[Tensor, "n k"]) -> Distribution:
        """Return q(z|x) with batch shape (n,) and event shape (d,)."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Posterior":
        """Stay in float32 where the model is moved to half precision: the encoder's output comes in float32, too."""

        def at_least_single(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            return moved.float() if moved.dtype in (torch.bfloat16, torch.float16) else moved

        super()._apply(at_least_single, recurse)
        return self

    def example(self, latent_dim: int, device: torch.device | str = "cpu") -> Distribution:
        """Return q(z|x) for an encoder's output of zeros: a specimen, by which to tell what can be done with it."""
        return self(torch.zeros(1, self.parameters_per_dimension * latent_dim, device=device))

    def forward_training(self, parameters: Float[Tensor, "m k"], global_size: int) -> Distribution:
        """Return q(z|x) of this process's rows of a global batch, as training sees it; ``forward`` by default.

        Args:
            parameters: the encoder's output.
            global_size: the number of examples in the global batch.
        """
        return self(parameters)

    def calibrate(self, batches: Iterable[Float[Tensor, "_ k"]]) -> None:
        """Take whatever ``forward`` needs to know of the whole training set; nothing by default.

        Args:
            batches: the encoder's output for the training set.
        """

    def reparameterize(self, distribution: Distribution, noise: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Return one z ~ q(z|x) for each example, with gradient, as a function of the noise alone.

        The caller draws the noise: for the whole global batch in data-parallel training, and for the whole split in
        evaluation. No number then depends on how examples are batched. Draw nothing here.

        Args:
            distribution: the result of ``forward``.
            noise: draws from N(0, I).
        """
        return sample_posterior(distribution, noise)


def sample_posterior(distribution: Distribution, noise: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Return one sample of a Gaussian or a point mass for each example, with gradient.

    Args:
        distribution: q(z|x).
        noise: draws from N(0, I), which a point mass ignores.

    Raises:
        ValueError: the distribution is of another family.
    """
    base = distribution.base_dist if isinstance(distribution, Independent) else distribution
    if isinstance(base, LinearGaussian):
        return base.transform(noise)
    if isinstance(base, Normal):
        # Not through the variance: its square root has no gradient where the square of a scale underflows.
        return torch.addcmul(base.loc, base.scale, noise)
    if isinstance(base, PointMass):
        return base.location
    raise ArgumentError(
        "posterior",
        type(base).__name__,
        "Normal, LinearGaussian, PointMass, or a posterior or model with a method reparameterize(distribution, noise)",
        "no rule turns noise into a sample of it",
    )
