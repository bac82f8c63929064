"""Which parts of a model go together."""

from infovae.bounds.bound import Bound
from infovae.codes import MomentsOnly
from infovae.conditions.condition import Condition
from infovae.conditions.labels import Labels
from infovae.divergences.divergence import Divergence
from infovae.errors import ArgumentError
from infovae.model import conditional_of
from infovae.objective import Objective, rates_of_dimensions
from infovae.posteriors.posterior import Posterior
from infovae.priors.prior import Prior


def check_parts(
    posterior: Posterior,
    prior: Prior,
    divergence: Divergence,
    objective: Objective,
    bound: Bound | None,
    condition: Condition | None,
) -> bool:
    """Refuse parts that don't go together; return whether the divergence can be estimated, if only to be measured.

    Raises:
        ArgumentError: names the part.
    """
    _check_rate(objective, posterior, prior)
    _check_prior(prior, posterior)
    if bound is not None:
        _check_bound(bound, posterior, objective)
    _check_controllers(objective, divergence, posterior)
    if divergence.needs_classes and not isinstance(condition, Labels):
        why = f"{type(divergence).__name__} needs the class of each example"
        raise ArgumentError("divergence", type(divergence).__name__, "another, or condition=labels", why)
    divergence.check_weight(objective.heaviest_divergence)
    try:
        _check_divergence(divergence, posterior, prior)
    except ValueError:
        if objective.weighs_divergence:
            raise
        return False
    return True


def _check_prior(prior: Prior, posterior: Posterior) -> None:
    if prior.needs_posterior_density and not posterior.has_density:
        why = f"it consists of log q(z|x), which a {posterior.family} posterior doesn't have"
        raise ArgumentError("prior", type(prior).__name__, "another prior, or posterior=diagonal_gaussian", why)
    if prior.needs_posterior_density and posterior.needs_calibration:
        why = f"it consists of posteriors, and those of {posterior.family} change with each batch"
        raise ArgumentError("prior", type(prior).__name__, "another prior, or another posterior", why)


def _check_rate(objective: Objective, posterior: Posterior, prior: Prior) -> None:
    """Refuse to optimise, or to hold, a rate that is infinite; and free bits of a rate that has no dimensions.

    Raises:
        ArgumentError: names what stands for the weight of the rate, or the controller.
    """
    if not posterior.has_density:
        why = f"a {posterior.family} posterior has an infinite rate, which can't be optimised"
    elif not prior.has_full_support:
        why = f"under a {type(prior).__name__} prior, whose density is 0 in places, the rate is infinite"
    else:
        if objective.free_bits is not None and objective.free_bits_per == "dimension":
            rates_of_dimensions(posterior.example(prior.latent_dim), prior.distribution())
        return
    if objective.weighs_rate:
        name = objective.names[0]
        raise ArgumentError(f"objective.{name}", objective.shown(name), "alpha=1", why)
    for name, controller in objective.controllers.items():
        if controller.watches == "rate":
            raise ArgumentError(
                f"objective.{name}", objective.shown(name), "a number, or a schedule of another kind", why
            )


def _check_bound(bound: Bound, posterior: Posterior, objective: Objective) -> None:
    """Refuse a bound that goes with neither the posterior nor free bits.

    Raises:
        ArgumentError: names the bound, or the free bits.
    """
    bound.check_posterior(posterior)
    if objective.free_bits is not None:
        why = f"under {type(bound).__name__} no rate stands apart in the loss"
        raise ArgumentError("objective.free_bits", f"{objective.free_bits:g}", "null, or bound=elbo", why)


def _check_controllers(objective: Objective, divergence: Divergence, posterior: Posterior) -> None:
    """Refuse controllers of a divergence that isn't estimated, or whose noise can't be measured.

    Raises:
        ArgumentError: names the controller.
    """
    for name, controller in objective.controllers.items():
        if controller.watches == "divergence" and not objective.weighs_divergence:
            why = "no step estimates the divergence, whose weight is 0"
            raise ArgumentError(
                f"objective.{name}", objective.shown(name), "a number, or an objective with a divergence", why
            )
        learns = type(divergence).adapt is not Divergence.adapt
        if controller.needs_noise_level and (learns or divergence.needs_posterior_density or divergence.needs_classes):
            why = f"the noise of divergence {type(divergence).__name__} can't be measured before training"
            raise ArgumentError(f"objective.{name}.limit", "noise", "a number", why)
        if controller.needs_noise_level and posterior.needs_calibration:
            why = "normalised codes have less noise than draws of the prior, by which it is measured"
            raise ArgumentError(f"objective.{name}.limit", "noise", "a number", why)


def _check_divergence(divergence: Divergence, posterior: Posterior, prior: Prior) -> None:
    if divergence.needs_posterior_density and not posterior.has_density:
        why = f"it needs log q(z|x), which a {posterior.family} posterior doesn't have"
        accepted = "another divergence, or posterior=diagonal_gaussian"
        raise ArgumentError("divergence", type(divergence).__name__, accepted, why)
    if divergence.needs_posterior_density or divergence.needs_gaussian_posterior:
        conditional = conditional_of(posterior.example(prior.latent_dim))
        if isinstance(conditional, MomentsOnly):
            why = f"it needs log q(z|x) of every pair of z and x, which {posterior.family} doesn't tell"
            accepted = "another divergence, or a posterior that is Independent(Normal(...), 1) or has conditional"
            raise ArgumentError("divergence", type(divergence).__name__, accepted, why)
        if divergence.needs_gaussian_posterior and conditional is not None and not conditional.gaussian:
            why = f"the density of one dimension under {posterior.family} isn't known"
            accepted = "another divergence, or a Gaussian posterior"
            raise ArgumentError("divergence", type(divergence).__name__, accepted, why)
    if prior.latent_dim < divergence.minimum_dimensions:
        why = f"{type(divergence).__name__} compares dimensions with each other"
        raise ArgumentError("latent_dim", prior.latent_dim, f"at least {divergence.minimum_dimensions}", why)
    divergence.check_prior(prior)
