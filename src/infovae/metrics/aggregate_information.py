"""The information in q(z), with q(z) the exact mixture (1/N) sum_j q(z|x_j) over N examples.

The rate is the sum of what the code says of the example and how far q(z) is from the prior. For a prior of independent
dimensions the latter is the sum of the dependence between dimensions and the distance of each marginal (Hoffman &
Johnson 2016; Chen et al. 2018, beta-TCVAE, arXiv 1802.04942, equation 2):

    E KL(q(z|x) || p(z)) = I_q(x;z) + KL(q(z) || p(z))
    KL(q(z) || p(z)) = TC(z) + sum_k KL(q(z_k) || p(z_k))

Over a sample of N examples, the mixture q_N stands for the population's q. The average over samples is known to lie on
one side. Since E q_N = q, E KL(q_N || p) = KL(q || p) + E KL(q_N || q): too high, and I_q too low by as much. Without
its own component, at z ~ q(z|x_i) the mixture q_-i has mean q(z), so by Jensen E log q_-i(z) <= log q(z): the
leave-one-out estimate of the KL is too low, and that of I_q too high. The two enclose the population's value.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor
from torch.distributions import Distribution, Independent

from infovae.codes import NO_DENSITY, Codes, Conditional, MomentsOnly, joined
from infovae.errors import require_at_least
from infovae.exact import exact
from infovae.metrics.averages import averaged
from infovae.metrics.metric import CodeMetric
from infovae.priors.prior import Prior

LOG_2_PI = math.log(2 * math.pi)


def log_normal(
    z: Float64[Tensor, "*#b"], mean: Float64[Tensor, "*#b"], variance: Float64[Tensor, "*#b"]
) -> Float64[Tensor, "*b"]:
    """Return log N(z; mean, variance) in nats, elementwise."""
    return -0.5 * ((z - mean).square() / variance + variance.log() + LOG_2_PI)


class LogAggregate(NamedTuple):
    """Log densities of the mixture at m codes, in nats.

    Attributes:
        joint: log q(z_i).
        marginal: log q(z_ik) of each dimension; nan where components aren't Gaussian.
        conditional: log density of the code's own component; None where no own ones were given.
        without_own: log of the mixture of all other components; None where no own ones were given.
    """

    joint: Float64[Tensor, " m"]
    marginal: Float64[Tensor, "m d"]
    conditional: Float64[Tensor, " m"] | None = None
    without_own: Float64[Tensor, " m"] | None = None


def log_aggregate(
    z: Float64[Tensor, "m d"],
    mean: Float64[Tensor, "n d"],
    variance: Float64[Tensor, "n d"],
    own: Int64[Tensor, " m"] | None = None,
    block: int = 2**18,
    conditional: Conditional | None = None,
) -> LogAggregate:
    """Return the mixture's log density at m codes, at the cost of m n d exponentials.

    For diagonal Gaussians, differences are taken before they are squared, one dimension at a time. Nothing cancels, and
    nothing is larger than a block.

    Args:
        z: where.
        mean, variance: of each q(z|x_j); variances are above 0.
        own: the component that each code is from, if its density and that of all others are wanted.
        block: entries of the (m, n) matrix held at a time, or n if that is more.
        conditional: the components, if they aren't diagonal Gaussians.
    """
    joints, marginals, owns, others = [], [], [], []
    density = None if conditional is None else conditional.density(mean)
    size = max(1, block // len(mean))
    for start in range(0, len(z), size):
        rows = z[start : start + size]
        joint = rows.new_zeros(len(rows), len(mean))
        marginal = torch.full_like(rows, torch.nan)
        if conditional is None or conditional.gaussian:
            for k in range(z.shape[1]):
                densities = log_normal(rows[:, k, None], mean[:, k], variance[:, k])
                marginal[:, k] = densities.logsumexp(dim=1)
                joint += densities
        if density is not None:
            joint = density(rows)
        joints.append(joint.logsumexp(dim=1))
        marginals.append(marginal)
        if own is not None:
            component = own[start : start + size, None]
            owns.append(joint.gather(1, component).squeeze(1))
            others.append(joint.scatter(1, component, -torch.inf).logsumexp(dim=1))
    log_n = math.log(len(mean))
    whole = LogAggregate(torch.cat(joints) - log_n, torch.cat(marginals) - log_n)
    if own is None:
        return whole
    # The mixture of no components has no density.
    log_others = math.log(len(mean) - 1) if len(mean) > 1 else torch.nan
    return whole._replace(conditional=torch.cat(owns), without_own=torch.cat(others) - log_others)


def independent_dimensions(prior: Distribution) -> Distribution | None:
    """Return p(z_k) of each dimension, with batch shape (d,); None where dimensions aren't independent."""
    if isinstance(prior, Independent) and prior.reinterpreted_batch_ndims == 1:
        return prior.base_dist
    return None


def log_prior_by_dimension(prior: Distribution, z: Float64[Tensor, "m d"]) -> Float64[Tensor, "m d"]:
    """Return log p(z_ik) for a prior of independent dimensions, nan for any other."""
    dimensions = independent_dimensions(prior)
    return torch.full_like(z, torch.nan) if dimensions is None else exact(dimensions.log_prob(_seen_by(prior, z)))


def _seen_by(prior: Distribution, z: Float64[Tensor, "m d"]) -> Float[Tensor, "m d"]:
    """Return points where the prior is: on an Apple GPU, in float32."""
    return z if prior.mean.device == z.device else z.to(prior.mean)


class AggregateTerms(NamedTuple):
    """For each of m codes, in nats, the terms whose averages are the measurements.

    Attributes:
        mutual_information: log q(z|x) - log q(z), never above log N.
        mutual_information_leave_one_out: the same with log q_-i(z); nan where N is 1.
        aggregate_kl: log q(z) - log p(z).
        aggregate_kl_leave_one_out: the same with log q_-i(z); nan where N is 1.
        total_correlation: log q(z) - sum_k log q(z_k).
        kl_by_dimension: log q(z_k) - log p(z_k); nan unless the prior's dimensions are independent.
    """

    mutual_information: Float64[Tensor, " m"]
    mutual_information_leave_one_out: Float64[Tensor, " m"]
    aggregate_kl: Float64[Tensor, " m"]
    aggregate_kl_leave_one_out: Float64[Tensor, " m"]
    total_correlation: Float64[Tensor, " m"]
    kl_by_dimension: Float64[Tensor, "m d"]


def aggregate_terms(
    z: Float64[Tensor, "m d"],
    own: Int64[Tensor, " m"],
    mean: Float64[Tensor, "n d"],
    variance: Float64[Tensor, "n d"],
    prior: Distribution,
    block: int = 2**18,
    conditional: Conditional | None = None,
) -> AggregateTerms:
    """Return the terms of I_q(x;z), KL(q(z) || p(z)), total correlation and dimension-wise KL.

    All are nan where a variance is 0: a point mass has no density.

    Args:
        z: codes, z_i ~ q(z|x_own[i]).
        prior: p(z) with event shape (d,).
        own, mean, variance, block, conditional: see :func:`log_aggregate`.
    """
    if not (variance > 0).all():
        missing = torch.full_like(z, torch.nan)
        none = missing[:, 0]
        return AggregateTerms(none, none, none, none, none, missing)
    aggregate = log_aggregate(z, mean, variance, own, block, conditional)
    assert aggregate.conditional is not None
    assert aggregate.without_own is not None
    log_prior = exact(prior.log_prob(_seen_by(prior, z)))
    return AggregateTerms(
        mutual_information=aggregate.conditional - aggregate.joint,
        mutual_information_leave_one_out=aggregate.conditional - aggregate.without_own,
        aggregate_kl=aggregate.joint - log_prior,
        aggregate_kl_leave_one_out=aggregate.without_own - log_prior,
        total_correlation=aggregate.joint - aggregate.marginal.sum(dim=1),
        kl_by_dimension=aggregate.marginal - log_prior_by_dimension(prior, z),
    )


class AggregateInformation(CodeMetric):
    """I_q(x;z), KL(q(z) || p(z)), total correlation and dimension-wise KL, in nats, each with its standard error.

    q(z) is the mixture over the N examples taken in. ``mutual_information`` can't exceed log N, which stands beside it
    as ``mutual_information_bound``. ``..._leave_one_out`` bounds I_q and the KL of the population from the other side.
    ``kl_by_dimension`` is the vector of KL(q(z_k) || p(z_k)). Standard errors are those of averaging over codes.

    A deterministic posterior has no density, and one of your own may tell none: all are nan but the bound. Total
    correlation and dimension-wise KL are nan for posteriors that aren't Gaussian, whose single dimensions have no
    density in closed form.

    Args:
        examples: N, the first that the split gives.
        queries: how many of their codes log q(z) is evaluated at, evenly spread over the N.
    """

    effort = 5

    def __init__(self, prior: Prior, examples: int = 10000, queries: int = 2000) -> None:
        super().__init__(prior)
        require_at_least(1, examples=examples, queries=queries)
        self.codes: list[Codes] = []
        self.examples = examples
        self.queries = queries

    def reset(self) -> None:
        super().reset()
        self.codes = []

    def update(self, codes: Codes) -> None:
        missing = self.examples - sum(len(seen.z) for seen in self.codes)
        if missing > 0:
            self.codes.append(codes.take(slice(missing)))

    def compute(self) -> dict[str, Tensor]:
        z, mean, variance, _, conditional, _ = joined(self.codes).map(exact)
        n = len(z)
        queries = min(self.queries, n)
        own = torch.arange(queries, device=z.device) * n // queries
        terms = aggregate_terms(z[own], own, mean, variance, self.prior.distribution(), conditional=conditional)
        self.reason = NO_DENSITY if isinstance(conditional, MomentsOnly) else self._reason(variance, terms)
        by_name = terms._asdict()
        by_dimension = by_name.pop("kl_by_dimension")
        measured = averaged(by_name | {"dimension_wise_kl": by_dimension.sum(dim=1)})
        measured["kl_by_dimension"] = by_dimension.mean(dim=0)
        measured["mutual_information_bound"] = z.new_tensor(math.log(n))
        return measured

    @staticmethod
    def _reason(variance: Tensor, terms: AggregateTerms) -> str | None:
        if not variance.all():
            return "q(z|x) has no density where its variance is 0"
        if len(variance) == 1:
            return "one example has no leave-one-out mixture, and no standard error"
        if terms.aggregate_kl.isfinite().all() and terms.total_correlation.isnan().any():
            return "the dimensions of this q(z|x) have no density in closed form"
        if terms.aggregate_kl.isfinite().all() and terms.kl_by_dimension.isnan().any():
            return "the dimensions of this prior aren't independent, so there is no dimension-wise KL"
        return None
