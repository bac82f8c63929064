"""KL(q(z|x) || p(z|x)) by quadrature, for one latent dimension."""

import torch
from jaxtyping import Float64
from torch import Tensor

from infovae.codes import NO_DENSITY, MomentsOnly
from infovae.errors import ArgumentError, require_at_least
from infovae.exact import exact, exact_device
from infovae.metrics.metric import Metric
from infovae.model import Model, Observed, codes_of

POSTERIOR_REACH = 8.0
"""Standard deviations from the mean, within which q(z|x) has all but 1e-15 of its mass."""


def line_weights(nodes: Float64[Tensor, " m"]) -> Float64[Tensor, " m"]:
    """Return the weights of the trapezoid rule at ascending nodes."""
    gaps = nodes.diff()
    zero = nodes.new_zeros(1)
    return (torch.cat([gaps, zero]) + torch.cat([zero, gaps])) / 2


class InferenceGap(Metric):
    """``log_evidence`` = E log p(x), and ``inference_gap`` = E KL(q(z|x) || p(z|x)), in nats, by quadrature over z.

    The ELBO is the first minus the second, so an arbitrarily good ELBO can hide an arbitrarily large gap (Zhao, Song,
    Ermon 2017, Proposition 1). This is for one latent dimension, a posterior with a density, and data of few distinct
    images. Nodes are evenly spaced over the prior, and closer around each posterior.

    Args:
        nodes: how many over the prior; each posterior gets a tenth as many.

    Raises:
        ValueError: there is more than one latent dimension, or there are too few nodes.
    """

    seen: list[Tensor]

    def __init__(self, model: Model, nodes: int = 20000) -> None:
        super().__init__()
        if model.prior.latent_dim != 1:
            raise ArgumentError("latent_dim", model.prior.latent_dim, "latent_dim=1", "quadrature is over a line")
        if getattr(model, "condition", None) is not None:
            raise ArgumentError("condition", "a condition", "condition=none", "p(x) would be another under each one")
        require_at_least(100, nodes=nodes)
        self.add_state("seen", [], dist_reduce_fx="cat")
        self.model = model
        self.nodes = nodes

    def observe(self, observed: Observed) -> None:
        self.update(observed.x)

    def update(self, x: Tensor) -> None:
        """Take in a batch of examples."""
        self.seen.append(x)

    def compute(self) -> dict[str, Tensor]:
        images, counts = torch.cat(list(self.seen)).unique(dim=0, return_counts=True)
        share = exact(counts) / exact(counts.sum())
        evidence, gap = torch.stack([torch.stack(self._of(image)) for image in images]).T
        return {"log_evidence": share @ evidence, "inference_gap": share @ gap}

    def _of(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return log p(x) and KL(q(z|x) || p(z|x)) of one image."""
        posterior = self.model.encode(image[None])
        centre, scale = exact(posterior.mean), exact(posterior.variance).sqrt()
        spread = torch.linspace(
            -POSTERIOR_REACH, POSTERIOR_REACH, self.nodes // 10, dtype=torch.float64, device=exact_device(image.device)
        )
        prior = self.model.prior
        draws = exact(prior.sample(1000))
        middle, width = draws.mean(), draws.std()
        wide = torch.linspace(-10, 10, self.nodes, dtype=torch.float64, device=exact_device(image.device))
        z = torch.cat([middle + width * wide, (centre + scale * spread[:, None]).flatten()]).unique()
        weights = line_weights(z).log()
        log_likelihood = exact(self.model.decode(z[:, None].to(image)).log_prob(image))
        points = z[:, None] if z.device == image.device else z[:, None].to(image)
        joint = exact(prior.log_prob(points)) + log_likelihood
        evidence = (joint + weights).logsumexp(dim=0)
        codes = codes_of(posterior, posterior.mean, dataset_size=1).map(exact)
        log_q = codes.density()(z[:, None])[:, 0]
        if isinstance(codes.conditional, MomentsOnly):
            self.reason = NO_DENSITY
        # Outside, q(z|x) has no mass, and p(x|z) may be 0.
        own = (z - centre).squeeze().abs() <= POSTERIOR_REACH * scale.squeeze()
        mass = (log_q + weights)[own].softmax(dim=0)
        return evidence, mass @ (log_q - joint)[own] + evidence
