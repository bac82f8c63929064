"""p(z) = an autoregressive flow of rational-quadratic splines (Durkan et al. 2019, Neural Spline Flows, 1906.04032)."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from zuko.flows import NSF

from infovae.errors import ArgumentError, require_at_least
from infovae.fitted_priors.by_gradient import Descent
from infovae.fitted_priors.fitted_prior import FittedPrior, Row


class SplineFlow(FittedPrior):
    """Zuko's neural spline flow, fitted by maximum likelihood. Its log density is exact.

    Args:
        transforms: autoregressive transforms, each in the opposite order of the one before.
        hidden: widths of the masked networks that make the splines.
        bins: of each spline, on [-5, 5] standard deviations; beyond it is the identity.
        epochs, patience, batch_size, learning_rate: see :class:`infovae.fitted_priors.by_gradient.Descent`.
    """

    def __init__(
        self,
        latent_dim: int,
        transforms: int = 3,
        hidden: Sequence[int] = (128, 128),
        bins: int = 8,
        epochs: int = 50,
        patience: int = 10,
        batch_size: int = 256,
        learning_rate: float = 1e-3,
    ) -> None:
        super().__init__(latent_dim)
        require_at_least(1, transforms=transforms)
        require_at_least(2, bins=bins)
        if not hidden or min(hidden) < 1:
            raise ArgumentError("hidden", list(hidden), "non-empty lists of whole numbers of at least 1")
        self.noise_dim = latent_dim
        self.descent = Descent(epochs, patience, batch_size, learning_rate)
        self.flow = NSF(latent_dim, bins=bins, transforms=transforms, hidden_features=tuple(hidden))
        for transform in self.flow.transform.transforms:
            for spline in getattr(transform, "phi", ()):  # of one dimension, which Zuko starts at random
                nn.init.zeros_(spline)

    def fit_standardized(self, codes: Float[Tensor, "n d"], validation: Float[Tensor, "m d"]) -> list[Row]:
        return self.descent(self.flow, lambda batch: -self.log_density(batch), codes, validation)

    def transform(self, noise: Float[Tensor, "n k"]) -> Float[Tensor, "n d"]:
        return self.flow().transform.inv(noise)

    def log_density(self, u: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        return self.flow().log_prob(u)
