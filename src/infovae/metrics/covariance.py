"""Accumulate Cov[q(z)]."""

from typing import NamedTuple

import torch
from jaxtyping import Float64
from torch import Tensor

from infovae.codes import Codes
from infovae.exact import exact
from infovae.metrics.metric import CodeMetric
from infovae.priors.prior import Prior

TOO_FEW = "a covariance needs at least two examples"
UNKNOWN = "Cov[z|x] is nan, or q(z|x) tells its diagonal alone"


class Moments(NamedTuple):
    """The first two moments of n codes in float64, centred, so that an offset of the codes costs no digits.

    Attributes:
        n: the number of codes.
        centre: the average of mean(x).
        scatter: sum of outer products of mean(x) - centre.
        within: the average of Cov[z|x].
        precision: machine epsilon of the codes as the model computed them.
    """

    n: Tensor
    centre: Float64[Tensor, " d"]
    scatter: Float64[Tensor, "d d"]
    within: Float64[Tensor, "d d"]
    precision: Tensor

    @staticmethod
    def of(codes: Codes) -> "Moments":
        """Return the moments of n codes, n at least 1."""
        means = exact(codes.mean)
        centre = means.mean(dim=0)
        centred = means - centre
        precision = centre.new_tensor(torch.finfo(codes.mean.dtype).eps)
        return Moments(centre.new_tensor(len(means)), centre, centred.T @ centred, codes.covariance(), precision)

    def merged(self, other: "Moments") -> "Moments":
        """Return the moments of both sets of codes together (Chan, Golub, LeVeque 1983)."""
        n = self.n + other.n
        share = other.n / n
        shift = other.centre - self.centre
        return Moments(
            n,
            self.centre + share * shift,
            self.scatter + other.scatter + self.n * share * torch.outer(shift, shift),
            torch.lerp(self.within, other.within, share),
            torch.maximum(self.precision, other.precision),
        )

    def between(self) -> Float64[Tensor, "d d"]:
        """Return Cov[mean(x)], divided by n - 1 as np.cov does; nan for fewer than two examples."""
        return self.scatter / (self.n - 1)  # 0 / 0 for a single example

    def covariance(self) -> Float64[Tensor, "d d"]:
        """Return Cov[q(z)] by the law of total covariance; nan for fewer than two examples."""
        return self.between() + self.within

    def noise(self) -> Float64[Tensor, " d"]:
        """Return the variance that rounding of the codes adds to each dimension: (epsilon |z|)^2 on average."""
        return self.precision.square() * (self.centre.square() + self.between().diagonal())


class CovarianceMetric(CodeMetric):
    """Measure Cov[q(z)], by the law of total covariance: exact where Cov[z|x] is known.

    Cov[q(z)] = E[Cov[z|x]] + Cov[mean(x)], in float64; Cov[mean(x)] divides by n - 1.
    """

    def __init__(self, prior: Prior) -> None:
        super().__init__(prior)
        zeros = torch.zeros(prior.latent_dim, dtype=torch.float64)
        start = Moments(zeros.new_tensor(0.0), zeros, torch.diag(zeros), torch.diag(zeros), zeros.new_tensor(0.0))
        for name, value in start._asdict().items():
            self.add_state(name, value.clone(), dist_reduce_fx=None)

    def update(self, codes: Codes) -> None:
        for name, value in self.moments().merged(Moments.of(codes))._asdict().items():
            setattr(self, name, value)

    def moments(self) -> Moments:
        """Return the moments of everything taken in; explain nan where that is a single example."""
        moments = Moments(*(getattr(self, name) for name in Moments._fields))
        self.reason = TOO_FEW if moments.n < 2 else UNKNOWN if moments.within.isnan().any() else None
        return moments
