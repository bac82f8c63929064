"""What q(z) holds, with q(z) the exact mixture (1/N) sum_j q(z|x_j) over N examples.

The rate splits into what the code says of the example and what q(z) is off the prior, and the latter, for a prior of
independent dimensions, into their dependence and their marginals (Hoffman & Johnson 2016; Chen et al. 2018, beta-TCVAE,
arXiv 1802.04942, equation 2):

    E KL(q(z|x) || p(z)) = I_q(x;z) + KL(q(z) || p(z))
    KL(q(z) || p(z)) = TC(z) + sum_k KL(q(z_k) || p(z_k))
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float64, Int64
from torch import Tensor
from torch.distributions import Distribution, Independent

from infovae.codes import Codes
from infovae.metrics.averages import mean_and_standard_error
from infovae.metrics.metric import CodeMetric
from infovae.priors.prior import Prior

LOG_2_PI = math.log(2 * math.pi)


def log_normal(
    z: Float64[Tensor, "*#b"], mean: Float64[Tensor, "*#b"], variance: Float64[Tensor, "*#b"]
) -> Float64[Tensor, "*b"]:
    """log N(z; mean, variance) in nats, elementwise."""
    return -0.5 * ((z - mean).square() / variance + variance.log() + LOG_2_PI)


def log_aggregate(
    z: Float64[Tensor, "m d"], mean: Float64[Tensor, "n d"], variance: Float64[Tensor, "n d"], block: int = 2**18
) -> tuple[Float64[Tensor, " m"], Float64[Tensor, "m d"]]:
    """log q(z_i), and log q(z_ik) of each dimension by itself, in nats.

    Costs m n d exponentials. Differences are taken before they are squared, a dimension at a time: nothing
    cancels, and nothing is larger than a block.

    Args:
        z: where.
        mean: of each q(z|x_j).
        variance: of each q(z|x_j), above 0.
        block: entries of the (m, n) matrix held at a time, or n if that is more.
    """
    joints, marginals = [], []
    for rows in z.split(max(1, block // len(mean))):
        joint = rows.new_zeros(len(rows), len(mean))
        marginal = torch.empty_like(rows)
        for k in range(z.shape[1]):
            densities = log_normal(rows[:, k, None], mean[:, k], variance[:, k])
            marginal[:, k] = densities.logsumexp(dim=1)
            joint += densities
        joints.append(joint.logsumexp(dim=1))
        marginals.append(marginal)
    return torch.cat(joints) - math.log(len(mean)), torch.cat(marginals) - math.log(len(mean))


def log_prior_by_dimension(prior: Distribution, z: Float64[Tensor, "m d"]) -> Float64[Tensor, "m d"]:
    """log p(z_ik) for a prior of independent dimensions; nan for any other."""
    if isinstance(prior, Independent) and prior.reinterpreted_batch_ndims == 1:
        log_prob: Tensor = prior.base_dist.log_prob(z)
        return log_prob.double()
    return torch.full_like(z, torch.nan)


class AggregateTerms(NamedTuple):
    """For each of m codes, in nats, the terms whose averages are the measurements.

    Attributes:
        mutual_information: log q(z|x) - log q(z), never above log N.
        divergence: log q(z) - log p(z).
        total_correlation: log q(z) - sum_k log q(z_k).
        divergence_by_dimension: log q(z_k) - log p(z_k); nan unless the prior's dimensions are independent.
    """

    mutual_information: Float64[Tensor, " m"]
    divergence: Float64[Tensor, " m"]
    total_correlation: Float64[Tensor, " m"]
    divergence_by_dimension: Float64[Tensor, "m d"]


def aggregate_terms(
    z: Float64[Tensor, "m d"],
    own: Int64[Tensor, " m"],
    mean: Float64[Tensor, "n d"],
    variance: Float64[Tensor, "n d"],
    prior: Distribution,
    block: int = 2**18,
) -> AggregateTerms:
    """The terms of I_q(x;z), KL(q(z) || p(z)), total correlation and dimension-wise KL.

    All are nan where a variance is 0: a point mass has no density.

    Args:
        z: codes, z_i ~ q(z|x_own[i]).
        own: which of the n examples each code is of.
        mean: of each q(z|x_j).
        variance: of each q(z|x_j).
        prior: p(z) with event shape (d,).
        block: see :func:`log_aggregate`.
    """
    if not (variance > 0).all():
        missing = torch.full_like(z, torch.nan)
        return AggregateTerms(missing[:, 0], missing[:, 0], missing[:, 0], missing)
    joint, marginal = log_aggregate(z, mean, variance, block)
    conditional = log_normal(z, mean[own], variance[own]).sum(dim=1)
    return AggregateTerms(
        mutual_information=conditional - joint,
        divergence=joint - prior.log_prob(z).double(),
        total_correlation=joint - marginal.sum(dim=1),
        divergence_by_dimension=marginal - log_prior_by_dimension(prior, z),
    )


class AggregateInformation(CodeMetric):
    """I_q(x;z), KL(q(z) || p(z)), total correlation and dimension-wise KL, in nats, each with its standard error.

    They are those of the N examples taken in. Over all examples that the model could be given, I_q is larger: by at
    most E log(1 + chi / N), with chi the chi-square information of x and z, and never over log N, which stands beside
    it. ``kl_by_dimension`` is the vector of KL(q(z_k) || p(z_k)). The standard error is that of the codes. Without a
    density (deterministic posterior) all are nan but the bound; no code taken in gives nan throughout.

    Args:
        prior: p(z).
        examples: N, the first that the split gives.
        queries: at how many of their codes log q(z) is taken, evenly spread over the N.
    """

    z: list[Tensor]
    mean: list[Tensor]
    variance: list[Tensor]

    def __init__(self, prior: Prior, examples: int = 10000, queries: int = 2000) -> None:
        super().__init__(prior)
        if examples < 1:
            raise ValueError(f"examples={examples}: invalid; accepted: whole numbers of at least 1")
        if queries < 1:
            raise ValueError(f"queries={queries}: invalid; accepted: whole numbers of at least 1")
        for name in ("z", "mean", "variance"):
            self.add_state(name, [], dist_reduce_fx="cat")
        self.examples = examples
        self.queries = queries

    def update(self, codes: Codes) -> None:
        missing = self.examples - sum(len(z) for z in self.z)
        if missing > 0:
            self.z.append(codes.z[:missing])
            self.mean.append(codes.mean[:missing])
            self.variance.append(codes.variance[:missing])

    def terms(self) -> AggregateTerms:
        """The terms at each query."""
        z, mean, variance = (torch.cat(list(part)).double() for part in (self.z, self.mean, self.variance))
        n = len(z)
        queries = min(self.queries, n)
        own = torch.arange(queries, device=z.device) * n // queries
        return aggregate_terms(z[own], own, mean, variance, self.prior.distribution())

    def compute(self) -> dict[str, Tensor]:
        measured: dict[str, Tensor] = {}
        count = sum(len(z) for z in self.z)
        if count:
            terms = self.terms()
            if not bool(torch.cat(list(self.variance)).all()):
                self.reason = "a deterministic q(z|x) has no density"
            elif terms.divergence.isfinite().all() and terms.divergence_by_dimension.isnan().any():
                self.reason = "the dimensions of this prior aren't independent: no dimension-wise KL"
        else:
            empty = torch.full((1, self.prior.latent_dim), torch.nan, dtype=torch.float64, device=self.device)
            terms = AggregateTerms(empty[:, 0], empty[:, 0], empty[:, 0], empty)
        named = {
            "mutual_information": terms.mutual_information,
            "aggregate_kl": terms.divergence,
            "total_correlation": terms.total_correlation,
            "dimension_wise_kl": terms.divergence_by_dimension.sum(dim=1),
        }
        for name, values in named.items():
            measured[name], measured[f"{name}_standard_error"] = mean_and_standard_error(values)
        measured["kl_by_dimension"] = terms.divergence_by_dimension.mean(dim=0)
        bound = math.log(count) if count else torch.nan
        measured["mutual_information_bound"] = torch.tensor(bound, dtype=torch.float64, device=self.device)
        return measured
