"""The interface of a prior that is fitted to the codes of a trained model."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from infovae.errors import ArgumentError
from infovae.priors.prior import Prior

Row = dict[str, float]
"""What a step of a fit reports: an epoch or a candidate, with its losses on both splits."""


class FittedPrior(Prior):
    """p(z) = a density fitted to draws of q(z), so that the decoder meets at sampling what it met in training.

    Codes are standardised dimension by dimension, and the density is fitted to these. The scale of a model's codes
    then doesn't matter.
    """

    noise_dim: int
    """How many draws from N(0, 1) :meth:`from_noise` takes for one code."""

    center: Tensor
    scale: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__(latent_dim)
        self.register_buffer("center", torch.zeros(latent_dim))
        self.register_buffer("scale", torch.ones(latent_dim))

    @abstractmethod
    def fit_standardized(self, codes: Float[Tensor, "n d"], validation: Float[Tensor, "m d"]) -> list[Row]:
        """Fit the density to codes of mean 0 and variance 1; choose by the loss on ``validation``."""

    @abstractmethod
    def transform(self, noise: Float[Tensor, "n k"]) -> Float[Tensor, "n d"]:
        """Return standardised codes that follow the density if the noise follows N(0, I)."""

    @abstractmethod
    def log_density(self, u: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Return the log density of standardised codes in nats."""

    def settings(self) -> dict[str, Any]:
        """Return the arguments of the constructor that the fit has decided; the same prior is built with them."""
        return {}

    def fit(self, codes: Float[Tensor, "n d"], validation: Float[Tensor, "m d"]) -> list[Row]:
        """Fit p(z) to draws of q(z), and return a row for each step of the fit.

        Args:
            codes: of the training split.
            validation: of the validation split, which decides when to stop, or how many components to take.

        Raises:
            ArgumentError: there are too few codes, they aren't finite, or a dimension doesn't vary.
        """
        if len(codes) < 2 or len(validation) < 1:
            raise ArgumentError("codes", len(codes), "at least 2 to fit and 1 to validate", "too few")
        scale, center = torch.std_mean(codes, dim=0)
        if not (codes.isfinite().all() and validation.isfinite().all()):
            raise ArgumentError("codes", "not finite", "finite codes")
        if not scale.all():
            dimension = int(scale.argmin())
            why = f"all codes are the same in dimension {dimension}, so they have no density"
            raise ArgumentError("codes", "constant", "codes that vary in every dimension", why)
        self.center.copy_(center)
        self.scale.copy_(scale)
        return self.fit_standardized((codes - center) / scale, (validation - center) / scale)

    def from_noise(self, noise: Float[Tensor, "n k"]) -> Float[Tensor, "n d"]:
        """Return n codes that follow p(z) if the noise follows N(0, I)."""
        return self.center + self.scale * self.transform(noise)

    @torch.no_grad()
    def sample(self, n: int) -> Float[Tensor, "n d"]:
        return self.from_noise(torch.randn(n, self.noise_dim, dtype=self.center.dtype, device=self.center.device))

    def log_prob(self, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        u = (z.to(self.center.dtype) - self.center) / self.scale
        return (self.log_density(u) - self.scale.log().sum()).to(z.dtype)

    def distribution(self) -> Distribution:
        return _Fitted(self)


class _Fitted(Distribution):
    """A fitted prior as torch's distribution, for codes with any number of batch dimensions."""

    arg_constraints: dict[str, Any] = {}  # noqa: RUF012, torch declares it so

    def __init__(self, prior: FittedPrior) -> None:
        super().__init__(event_shape=torch.Size([prior.latent_dim]), validate_args=False)
        self.prior = prior

    @property
    def mean(self) -> Tensor:
        """The mean of the codes that the prior was fitted to."""
        return self.prior.center

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.prior.sample(math.prod(sample_shape)).reshape(*sample_shape, self.prior.latent_dim)

    def log_prob(self, value: Tensor) -> Tensor:
        return self.prior.log_prob(value.reshape(-1, self.prior.latent_dim)).reshape(value.shape[:-1])
