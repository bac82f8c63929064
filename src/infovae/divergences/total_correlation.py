"""Total correlation of q(z), with its densities estimated from the mini-batch (beta-TCVAE; Chen et al. 2018)."""

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Normal

from infovae.codes import Codes
from infovae.divergences.divergence import Divergence
from infovae.divergences.kl import ESTIMATORS, Estimator
from infovae.exact import exact, rounded
from infovae.priors.prior import Prior


class TotalCorrelation(Divergence):
    """TC(z) = KL(q(z) || prod_k q(z_k)) in nats: how much the dimensions of the code tell about each other.

    It is 0 for any q(z) of independent dimensions, wherever they lie. So it isn't a strict divergence from the prior,
    and needs the rate beside it: the beta-TCVAE (arXiv 1802.04942, equation 4) is the point alpha = 0, lambda_ = beta.

    Both densities are estimated from the batch, by :mod:`infovae.divergences.kl`. The stratified estimate is exact if
    the batch is the data set. The weighted one, of that paper, adds (d - 1) log N nats where the posteriors
    coincide and (d - 1) log n where they are far apart, so only its gradient is of use.

    Args:
        estimator: the estimator of log q(z) and log q(z_k), ``stratified`` or ``weighted`` mini-batch sampling.
    """

    compiles = True
    needs = frozenset()
    is_strict = False
    minimum_batch = 2
    minimum_dimensions = 2
    needs_posterior_density = True
    needs_gaussian_posterior = True

    def __init__(self, estimator: Estimator = "stratified") -> None:
        super().__init__()
        self.log_aggregate = ESTIMATORS[estimator]

    def forward(self, codes: Codes, prior: Prior) -> Float[Tensor, ""]:
        self.check_batch(codes)
        joint = self.log_aggregate(codes.density()(codes.z), codes.dataset_size)
        marginals = self.log_aggregate(log_densities_by_dimension(codes), codes.dataset_size)
        return (joint - marginals.sum(dim=1)).mean()


def log_densities_by_dimension(codes: Codes) -> Float[Tensor, "n n d"]:
    """Return log q(z_ik | x_j) for every pair and dimension, in nats, for Gaussian posteriors."""
    z, mean, variance = (exact(part) for part in codes[:3])
    densities: Tensor = Normal(mean, variance.sqrt(), validate_args=False).log_prob(z[:, None])
    return rounded(densities, codes.z)
