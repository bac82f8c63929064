"""q(z|x) = a point mass at mean(x)."""

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from infovae.posteriors.point_mass import PointMass
from infovae.posteriors.posterior import Posterior


class Deterministic(Posterior):
    """Make the code a function of the example, as in an autoencoder. The rate is infinite."""

    parameters_per_dimension = 1
    has_density = False

    def forward(self, parameters: Float[Tensor, "n k"]) -> Distribution:
        return PointMass(parameters)
