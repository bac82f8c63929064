"""How many latent dimensions carry anything (Burda, Grosse, Salakhutdinov 2016, arXiv 1509.00519, section 5.2)."""

import math

from jaxtyping import Float64, Int64
from torch import Tensor

from infovae.metrics.covariance import CovarianceMetric
from infovae.priors.prior import Prior


def active_units(mean_variance: Float64[Tensor, " d"], threshold: float) -> Int64[Tensor, ""]:
    """The number of dimensions whose Var_x[E[z|x]] is over the threshold."""
    return (mean_variance > threshold).sum()


class ActiveUnits(CovarianceMetric):
    """The number of dimensions u with Var_x[E[z_u|x]] > threshold; of fewer than two examples, 0.

    Args:
        prior: p(z).
        threshold: in squared units of z.
    """

    def __init__(self, prior: Prior, threshold: float = 0.01) -> None:
        super().__init__(prior)
        if not 0 <= threshold < math.inf:
            raise ValueError(f"threshold={threshold:g}: invalid; accepted: finite values of at least 0")
        self.threshold = threshold

    def compute(self) -> dict[str, Tensor]:
        return {"active_units": active_units(self.between().diagonal(), self.threshold)}
