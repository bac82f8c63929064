"""Properties of codes and of the prior that several pictures need."""

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from infovae.codes import Codes
from infovae.exact import exact
from infovae.metrics.aggregate_information import independent_dimensions
from infovae.model import Observed
from infovae.priors.prior import Prior

PRIOR_DRAWS = 10000
"""How many draws stand for a prior without a closed form."""


def finite(observed: Observed) -> Observed:
    """Return the examples whose codes are finite."""
    codes = observed.codes
    return observed.take(torch.cat([codes.z, codes.mean, codes.variance], dim=1).isfinite().all(dim=1))


def prior_quantiles(prior: Prior, deviations: Float[Tensor, " k"]) -> Float[Tensor, "k d"]:
    """Return each dimension's quantiles at the levels where N(0, 1) has the given values: for N(0, I), those values."""
    levels = Normal(0.0, 1.0).cdf(exact(deviations))
    dimensions = independent_dimensions(prior.distribution())
    if dimensions is not None:
        return dimensions.icdf(levels[:, None].to(dimensions.mean))
    ordered = prior.sample(PRIOR_DRAWS).sort(dim=0).values
    return ordered[(levels * (PRIOR_DRAWS - 1)).round().long().to(ordered.device)]


def prior_covariance(prior: Prior) -> Float64[Tensor, "d d"]:
    """Return Cov[p(z)], from draws where dimensions aren't independent."""
    dimensions = independent_dimensions(prior.distribution())
    if dimensions is not None:
        return torch.diag(exact(dimensions.variance))
    return torch.cov(exact(prior.sample(PRIOR_DRAWS)).T).reshape(prior.latent_dim, prior.latent_dim)


def rate_by_dimension(codes: Codes, prior: Prior) -> Float64[Tensor, " d"] | None:
    """Return E_x KL(q(z_k|x) || p(z_k)) in nats for Gaussian posteriors.

    None where a rate isn't finite or has no closed form: for a prior with dependent dimensions or without full support,
    for point masses, and for posteriors that aren't Gaussian.
    """
    dimensions = independent_dimensions(prior.distribution())
    gaussian = codes.conditional is None or codes.conditional.gaussian
    if dimensions is None or not gaussian or not (codes.variance > 0).all():
        return None
    posterior = Normal(codes.mean, codes.variance.sqrt(), validate_args=False)
    rates: Tensor = exact(kl_divergence(posterior, dimensions)).mean(dim=0)
    return rates if rates.isfinite().all() else None


def by_use(codes: Codes, prior: Prior) -> Int64[Tensor, " d"]:
    """Return the dimensions in descending order of their rate, or of Var_x[E z_k] where rates aren't finite."""
    rates = rate_by_dimension(codes, prior)
    use = exact(codes.mean).var(dim=0, correction=0) if rates is None else rates
    return use.argsort(descending=True, stable=True)
