"""The importance-weighted bound on log p(x) (Burda, Grosse, Salakhutdinov 2016, arXiv 1509.00519, equation 8)."""

import logging

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.distributions import Distribution

from infovae.errors import require_at_least
from infovae.exact import exact, exact_device
from infovae.metrics.log_weights import Decode, LogLikelihood, log_mean_weight, summarise
from infovae.metrics.metric import ExampleMetric
from infovae.metrics.pareto import pareto_k, pareto_threshold
from infovae.model import Model

log = logging.getLogger(__name__)

ESTIMATE = "importance_weighted_log_likelihood"

IN_CACHE = 512
"""Codes that a CPU decodes at a time: 5,000 take 1.3 to 2.2 times as long, since their pictures leave its cache."""


@torch.no_grad()
def log_importance_weights(
    images: Float[Tensor, "n *image"],
    decode: Decode,
    prior: Distribution,
    proposal: Distribution,
    samples: int,
    chunk: int = 4096,
) -> Float64[Tensor, "k n"]:
    """Return log p(x|z_k) p(z_k) / q(z_k|x), z_k ~ q(z|x), for K codes of each example.

    The codes, (K, n, d), are drawn at once, so neither they nor the weights depend on ``chunk``. The decoder, whose
    activations take most memory, sees one chunk at a time.

    Args:
        images: x.
        decode: gives p(x|z).
        prior: p(z) with event shape (d,).
        proposal: q(z|x) with batch shape (n,) and event shape (d,).
        samples: K.
        chunk: how many codes are decoded at a time: all examples' as often as fit, and at least once.

    Raises:
        ValueError: ``samples`` or ``chunk`` is below 1.
    """
    require_at_least(1, samples=samples, chunk=chunk)
    n = len(images)
    z = proposal.sample(torch.Size((samples,)))
    log_ratio = exact(prior.log_prob(z)) - exact(proposal.log_prob(z))
    conditional = [  # whole sets of codes, as a conditional model needs them
        decode(part.flatten(0, 1)).log_prob(images.repeat(len(part), *[1] * (images.ndim - 1))).unflatten(0, (-1, n))
        for part in z.split(max(1, chunk // n))
    ]
    return exact(torch.cat(conditional)) + log_ratio


def importance_weighted_log_likelihood(
    images: Float[Tensor, "n *image"],
    decode: Decode,
    prior: Distribution,
    proposal: Distribution,
    samples: int,
    chunk: int = 4096,
) -> LogLikelihood:
    """Return log (1/K) sum_k p(x|z_k) p(z_k) / q(z_k|x), z_k ~ q(z|x), in nats per example.

    This is a lower bound on average, tight where q(z|x) is p(z|x) and as K grows; K = 1 gives the ELBO. It can be far
    too low where q(z|x) is narrower than p(z|x): effective sample size and standard error can then both look good, and
    :func:`infovae.metrics.pareto.pareto_k` shows it. Arguments as for :func:`log_importance_weights`.
    """
    return log_mean_weight(log_importance_weights(images, decode, prior, proposal, samples, chunk))


class ImportanceWeighted(ExampleMetric):
    """The importance-weighted bound on log p(x) of the first images of a split: see :func:`log_weights.summarise`.

    ``..._pareto_k`` is the average k-hat of the images' weights (:func:`pareto.pareto_k`), ``..._unreliable`` the share
    of images whose k-hat is above the threshold, 0.7 for 2,200 samples or more. All are nan without a posterior
    density.

    Args:
        images, seconds: see :class:`infovae.metrics.metric.ExampleMetric`.
        samples: K.
        chunk: how many codes are decoded at a time; None: all of an image, but few on a CPU.
    """

    def __init__(
        self,
        model: Model,
        images: int | None = None,
        seconds: float = 60.0,
        samples: int = 5000,
        chunk: int | None = None,
    ) -> None:
        super().__init__(model, images, seconds)
        require_at_least(1, samples=samples, chunk=1 if chunk is None else chunk)
        self.samples = samples
        self.chunk = chunk

    def compute(self) -> dict[str, Tensor]:
        prior, parts, tails = self.model.prior.distribution(), [], []
        # One image at a time: the draws then depend on nothing but their order.
        for image, model in self.affordable(1, "importance weights"):
            posterior = model.encode(image)
            if (posterior.variance > 0).all():
                chunk = self.chunk or (IN_CACHE if image.device.type == "cpu" else self.samples)
                weights = log_importance_weights(image, model.decode, prior, posterior, self.samples, chunk)
                parts.append(log_mean_weight(weights))
                tails.append(pareto_k(weights))
                continue
            self.reason = "q(z|x) has no density where its variance is 0"
            unknown = torch.full((1,), torch.nan, dtype=torch.float64, device=exact_device(image.device))
            parts.append(LogLikelihood(unknown, unknown, unknown))
            tails.append(unknown)
        measured = summarise(parts, ESTIMATE, self.first[0][0].numel())
        k_hat = torch.cat(tails)
        measured[f"{ESTIMATE}_pareto_k"] = k_hat.mean()
        measured[f"{ESTIMATE}_unreliable"] = k_hat.new_tensor(torch.nan)
        if not k_hat.isnan().any():
            threshold = pareto_threshold(self.samples)
            measured[f"{ESTIMATE}_unreliable"] = exact(k_hat > threshold).mean()
            if (k_hat > threshold).any():
                log.warning(
                    "importance_weighted: %d of %d examples have weights whose tail has a shape above %.2f. log p(x) "
                    "may be far too low, and its errors too small. annealed_importance needs no proposal",
                    int((k_hat > threshold).sum()), len(k_hat), threshold,
                )  # fmt: skip
        elif self.reason is None:
            few = "the tail of fewer than 21 weights has no shape"
            self.reason = few if self.samples < 21 else "all weights of an example are 0, or one is nan"
        return measured
