"""A VAE of which everything is known: z ~ N(0, I), x ~ N(Wz + b, s^2 I)."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal

from infovae.priors.standard_normal import StandardNormal


@dataclass(frozen=True)
class LinearGaussian:
    weight: Tensor
    bias: Tensor
    scale: float

    @staticmethod
    def random(latent_dim: int, pixels: int, scale: float = 0.5) -> "LinearGaussian":
        weight = torch.randn(pixels, latent_dim, dtype=torch.float64)
        return LinearGaussian(weight, torch.randn(pixels, dtype=torch.float64), scale)

    @property
    def prior(self) -> Distribution:
        zeros = self.weight.new_zeros(self.weight.shape[1])
        return Independent(Normal(zeros, torch.ones_like(zeros)), 1)

    def decode(self, z: Tensor) -> Distribution:
        return Independent(Normal(z @ self.weight.T + self.bias, self.scale), 1)

    def simulate(self, n: int) -> tuple[Tensor, Tensor]:
        z = self.prior.sample(torch.Size((n,)))
        return z, self.decode(z).sample()

    def log_likelihood(self, x: Tensor) -> Tensor:
        pixels = len(self.bias)
        covariance = self.weight @ self.weight.T + self.scale**2 * torch.eye(pixels, dtype=torch.float64)
        return MultivariateNormal(self.bias, covariance).log_prob(x)

    def posterior(self, x: Tensor) -> MultivariateNormal:
        eye = torch.eye(self.weight.shape[1], dtype=torch.float64)
        precision = eye + self.weight.T @ self.weight / self.scale**2
        covariance = torch.linalg.inv(precision)
        mean = (x - self.bias) @ self.weight @ covariance / self.scale**2
        return MultivariateNormal(mean, precision_matrix=precision.expand(len(x), *precision.shape))

    def wider_posterior(self, x: Tensor, factor: float) -> Distribution:
        """Diagonal, with ``factor`` times the posterior's standard deviations."""
        exact = self.posterior(x)
        return Independent(Normal(exact.mean, factor * exact.variance.sqrt()), 1)


class LinearGaussianModel:
    """The same as a Model: x is an image of one row, q(z|x) a diagonal Gaussian wider than p(z|x)."""

    def __init__(self, known: LinearGaussian, factor: float = 1.2) -> None:
        self.known = known
        self.factor = factor
        self.prior = StandardNormal(known.weight.shape[1]).double()

    def encode(self, images: Tensor) -> Distribution:
        return self.known.wider_posterior(images.flatten(1), self.factor)

    def decode(self, z: Tensor) -> Distribution:
        pixels = self.known.decode(z).base_dist
        shape = (len(z), 1, 1, len(self.known.bias))
        return Independent(Normal(pixels.loc.reshape(shape), self.known.scale), 3)

    def simulate(self, n: int) -> Tensor:
        return self.known.simulate(n)[1].reshape(n, 1, 1, -1)
