"""Count latent dimensions that carry anything (Burda, Grosse, Salakhutdinov 2016, arXiv 1509.00519, section 5.2)."""

import math

import torch
from jaxtyping import Float64
from torch import Tensor

from infovae.errors import ArgumentError
from infovae.exact import exact
from infovae.metrics.covariance import CovarianceMetric
from infovae.priors.prior import Prior


def active_units(mean_variance: Float64[Tensor, " d"], threshold: float) -> Float64[Tensor, ""]:
    """Return how many dimensions have Var_x[E[z|x]] above the threshold; nan where the variances are nan."""
    count = exact((mean_variance > threshold).sum())
    return torch.where(mean_variance.isnan().any(), torch.nan, count)


class ActiveUnits(CovarianceMetric):
    """The number of dimensions u with Var_x[E[z_u|x]] > threshold; nan for a single example.

    Args:
        threshold: in squared units of z.
    """

    def __init__(self, prior: Prior, threshold: float = 0.01) -> None:
        super().__init__(prior)
        if not 0 <= threshold < math.inf:
            raise ArgumentError("threshold", threshold, "finite values of at least 0", "not a variance")
        self.threshold = threshold

    def compute(self) -> dict[str, Tensor]:
        return {"active_units": active_units(self.moments().between().diagonal(), self.threshold)}
