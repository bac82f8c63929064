"""The importance-weighted bound on log p(x) (Burda, Grosse, Salakhutdinov 2016, arXiv 1509.00519, equation 8)."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from infovae.metrics.log_weights import Decode, LogLikelihood, concatenate, log_mean_weight, summarise
from infovae.metrics.metric import ImageMetric
from infovae.model import Model
from infovae.terminal.progress import progress


@torch.no_grad()
def importance_weighted_log_likelihood(
    images: Float[Tensor, "n *image"],
    decode: Decode,
    prior: Distribution,
    proposal: Distribution,
    samples: int,
    chunk: int = 4096,
) -> LogLikelihood:
    """log (1/K) sum_k p(x|z_k) p(z_k) / q(z_k|x), z_k ~ q(z|x), in nats an example.

    A lower bound on average, tight where q(z|x) is p(z|x) and as K grows; K = 1 is the ELBO. It can be far too low
    where q(z|x) is narrower than p(z|x), and then the effective sample size and the standard error can both look good.

    The codes, (K, n, d), are drawn at once, so that neither they nor the value depend on ``chunk``; the decoder, whose
    activations are the memory, sees a chunk at a time.

    Args:
        images: x.
        decode: gives p(x|z).
        prior: p(z) with event shape (d,).
        proposal: q(z|x) with batch shape (n,) and event shape (d,).
        samples: K.
        chunk: how many codes are decoded at a time.

    Raises:
        ValueError: ``samples`` or ``chunk`` is below 1.
    """
    for name, count in (("samples", samples), ("chunk", chunk)):
        if count < 1:
            raise ValueError(f"{name}={count}: invalid; accepted: whole numbers of at least 1")
    n = len(images)
    z = proposal.sample(torch.Size((samples,)))
    log_ratio = prior.log_prob(z).double() - proposal.log_prob(z).double()
    codes = z.flatten(0, 1)
    example = torch.arange(n, device=images.device).repeat(samples)
    conditional = [
        decode(part).log_prob(images[which])
        for part, which in zip(codes.split(chunk), example.split(chunk), strict=True)
    ]
    return log_mean_weight(torch.cat(conditional).double().reshape(samples, n) + log_ratio)


class ImportanceWeighted(ImageMetric):
    """The importance-weighted bound on log p(x) of the first images of a split: see :func:`log_weights.summarise`.

    Without a posterior density all are nan.

    Args:
        model: what is measured.
        images: how many.
        samples: K.
        chunk: how many codes are decoded at a time.
    """

    def __init__(self, model: Model, images: int = 100, samples: int = 5000, chunk: int = 5000) -> None:
        super().__init__(model, images)
        for name, count in (("samples", samples), ("chunk", chunk)):
            if count < 1:
                raise ValueError(f"{name}={count}: invalid; accepted: whole numbers of at least 1")
        self.samples = samples
        self.chunk = chunk

    def compute(self) -> dict[str, Tensor]:
        images = torch.cat(self.first)
        prior, parts = self.model.prior.distribution(), []
        # One image at a time: the draws then depend on nothing but their order.
        for image in progress(images.split(1), "importance weights"):
            posterior = self.model.encode(image)
            if not (posterior.variance > 0).all():
                unknown = torch.full((1,), torch.nan, dtype=torch.float64)
                parts.append(LogLikelihood(unknown, unknown, unknown))
                continue
            parts.append(
                importance_weighted_log_likelihood(image, self.model.decode, prior, posterior, self.samples, self.chunk)
            )
        return summarise(concatenate(parts), "importance_weighted_log_likelihood", images[0].numel())
