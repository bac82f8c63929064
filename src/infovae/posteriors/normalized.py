"""q(z|x) after the moments of q(z): the aggregate posterior has mean 0 and covariance I, whatever the encoder does."""

import math
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from infovae.errors import ArgumentError
from infovae.exact import exact, rounded
from infovae.parallel import sum_over_processes
from infovae.posteriors.linear_gaussian import LinearGaussian
from infovae.posteriors.point_mass import PointMass
from infovae.posteriors.posterior import Posterior
from infovae.posteriors.whitening import Normalization, Whitening, whitening


class Normalized(Posterior):
    """A posterior whose codes are whitened by the moments of q(z), E[μ] and Cov[μ] + E[σ²].

    Training uses the moments of the global batch, with gradient. Evaluation uses stored moments, which
    :meth:`calibrate` takes from the training set: running averages would lag behind the encoder.

    Sources: Rustamov 2019 (arXiv 1901.03227, code normalisation); Zhu et al. 2020 (arXiv 2004.12585, BN-VAE).

    Args:
        base: the posterior of the codes before they are normalised; a Gaussian or a point mass.
        latent_dim: d.
        normalization: see :func:`infovae.posteriors.whitening.whitening`.
        log_det: log det Cov[q(z)] of the training set at evaluation, in nats. An encoder that has overfitted spreads
            unseen examples less than seen ones, by a gap that depends on their number. Half of it leaves both equally
            far from the prior. ``diagonal`` normalisation adds it to what correlations leave.

    Raises:
        ArgumentError: the base is of another family, or log_det is out of range.
    """

    needs_calibration = True

    centre: Tensor
    matrix: Tensor
    inverse: Tensor

    def __init__(
        self, base: Posterior, latent_dim: int, normalization: Normalization = "cholesky", log_det: float = 0.0
    ) -> None:
        super().__init__()
        if not _is_known(base.example(latent_dim)):
            accepted = "the posterior diagonal_gaussian, full_gaussian or deterministic"
            raise ArgumentError("base", type(base).__name__, accepted, "it is neither Gaussian nor a point mass")
        if not -50 <= log_det <= 50:
            raise ArgumentError("log_det", log_det, "values from -50 to 50")
        self.base = base
        self.variance = math.exp(log_det / latent_dim)
        self.normalization = normalization
        self.parameters_per_dimension = base.parameters_per_dimension
        self.has_density = base.has_density
        if normalization != "diagonal" and not self.has_density:
            self.minimum_batch = latent_dim + 1  # fewer points span fewer dimensions, whatever the encoder does
        self.register_buffer("centre", torch.zeros(latent_dim))
        self.register_buffer("matrix", torch.eye(latent_dim))
        self.register_buffer("inverse", torch.eye(latent_dim))

    @property
    def family(self) -> str:
        return f"normalised {self.base.family}"

    def forward(self, parameters: Float[Tensor, "n k"]) -> Distribution:
        return self._mapped(self.base(parameters), Whitening(self.centre, self.matrix, self.inverse))

    def forward_training(self, parameters: Float[Tensor, "m k"], global_size: int) -> Distribution:
        with torch.autocast(parameters.device.type, enabled=False):
            raw = self.base(parameters)
            centre = sum_over_processes(raw.mean.sum(dim=0)) / global_size
            deviation = raw.mean - centre
            scatter = deviation.T @ deviation + _within(raw, centre)
            covariance = sum_over_processes(scatter) / global_size
            return self._mapped(raw, whitening(centre, covariance, self.normalization))

    @torch.no_grad()
    def calibrate(self, batches: Iterable[Float[Tensor, "_ k"]]) -> None:
        count = 0
        mean, scatter = exact(self.centre.new_zeros(())), exact(self.matrix.new_zeros(()))
        for parameters in batches:
            raw = self.base(parameters)
            means, n = exact(raw.mean), len(parameters)
            own = means.mean(dim=0)
            shift = own - mean
            scatter = scatter + (means - own).T @ (means - own) + _within(raw, means)
            scatter = scatter + torch.outer(shift, shift) * (count * n / (count + n))
            mean, count = mean + shift * (n / (count + n)), count + n
        if not count:
            return
        stored = whitening(mean, scatter / (count * self.variance), self.normalization)
        for name, value in stored._asdict().items():
            getattr(self, name).copy_(value)

    def _mapped(self, raw: Distribution, map_: Whitening) -> Distribution:
        """Return the distribution of matrix @ (u - centre) for u ~ q(u|x), a Gaussian or a point mass."""
        with torch.autocast(raw.mean.device.type, enabled=False):  # a covariance of 1 needs more than 8 bits
            location = (raw.mean - map_.centre) @ map_.matrix.T
            if isinstance(raw, PointMass):
                return PointMass(location)
            if isinstance(raw, LinearGaussian):
                return LinearGaussian(location, raw.scale, map_.matrix @ raw.matrix, raw.inverse @ map_.inverse)
            if self.normalization == "diagonal":
                return Independent(Normal(location, raw.stddev * map_.matrix.diagonal(), validate_args=False), 1)
            return LinearGaussian(location, raw.stddev, map_.matrix, map_.inverse)


def _is_known(raw: Distribution) -> bool:
    """Return whether an affine map of this distribution is known."""
    diagonal = isinstance(raw, Independent) and isinstance(raw.base_dist, Normal)
    return diagonal or isinstance(raw, LinearGaussian | PointMass)


def _within(raw: Distribution, like: Tensor) -> Float[Tensor, "d d"]:
    """Return the sum of the covariances of q(u|x) over the batch, on the device and in the precision of ``like``."""
    if isinstance(raw, LinearGaussian):
        return len(raw.mean) * rounded(raw.conditional.covariance(), like)
    return torch.diag(raw.variance.to(like.device).to(like.dtype).sum(dim=0))
