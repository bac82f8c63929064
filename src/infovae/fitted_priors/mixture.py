"""p(z) = a mixture of Gaussians with full covariances, fitted by EM (Dempster, Laird & Rubin 1977)."""

import logging
import math
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from infovae.errors import ArgumentError
from infovae.exact import exact
from infovae.fitted_priors.fitted_prior import FittedPrior, Row

log = logging.getLogger(__name__)

ITERATIONS = 200
"""The most that EM takes. More change the likelihood in its fourth digit."""


class FittedMixture(FittedPrior):
    """A mixture by scikit-learn's EM.

    The noise of a code is d + 1 numbers: the first chooses the component, the others are its Gaussian's.

    Args:
        components: the number of Gaussians, or several to choose from by the likelihood of the validation split.
    """

    log_weights: Tensor  # (k,)
    means: Tensor  # (k, d)
    cholesky: Tensor  # (k, d, d)

    def __init__(self, latent_dim: int, components: int | Sequence[int] = (10, 30, 100)) -> None:
        super().__init__(latent_dim)
        candidates = [components] if isinstance(components, int) else list(components)
        if not candidates or min(candidates) < 1:
            raise ArgumentError("components", components, "whole numbers of at least 1, or a list of them")
        self.candidates = candidates
        self.noise_dim = latent_dim + 1
        k = candidates[0]
        self.register_buffer("log_weights", torch.full((k,), -math.log(k)))
        self.register_buffer("means", torch.zeros(k, latent_dim))
        self.register_buffer("cholesky", torch.eye(latent_dim).repeat(k, 1, 1))

    def fit_standardized(self, codes: Float[Tensor, "n d"], validation: Float[Tensor, "m d"]) -> list[Row]:
        if len(codes) < max(self.candidates):
            raise ArgumentError("components", max(self.candidates), f"at most {len(codes)}, the number of codes")
        train, held_out = (exact(part).cpu().numpy() for part in (codes, validation))
        rows: list[Row] = []
        best = -math.inf
        for k in self.candidates:
            seed = int(torch.randint(2**31, ()))
            mixture = GaussianMixture(k, max_iter=ITERATIONS, random_state=seed)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                mixture.fit(train)
            row = {"components": k, "train_loss": -mixture.score(train), "validation_loss": -mixture.score(held_out)}
            log.info("%d components: validation loss %.4g", k, row["validation_loss"])
            rows.append(row)
            if -row["validation_loss"] > best:
                best = -row["validation_loss"]
                self.log_weights = torch.from_numpy(mixture.weights_).log().to(self.center)
                self.means = torch.from_numpy(mixture.means_).to(self.center)
                self.cholesky = torch.linalg.cholesky(torch.from_numpy(mixture.covariances_)).to(self.center)
        return rows

    def settings(self) -> dict[str, Any]:
        return {"components": len(self.means)}

    def transform(self, noise: Float[Tensor, "n k"]) -> Float[Tensor, "n d"]:
        level = 0.5 * (1 + torch.erf(noise[:, :1] / math.sqrt(2)))  # uniform on (0, 1)
        chosen = (level > self.log_weights.exp().cumsum(dim=0)[:-1]).sum(dim=1)
        return self.means[chosen] + (self.cholesky[chosen] @ noise[:, 1:, None]).squeeze(-1)

    def log_density(self, u: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        components = MultivariateNormal(self.means, scale_tril=self.cholesky, validate_args=False)
        weights = Categorical(logits=self.log_weights, validate_args=False)
        return MixtureSameFamily(weights, components, validate_args=False).log_prob(u)
