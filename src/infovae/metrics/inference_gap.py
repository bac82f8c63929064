"""KL(q(z|x) || p(z|x)), exactly, where z is a number."""

import torch
from jaxtyping import Float64
from torch import Tensor
from torch.distributions import Normal

from infovae.metrics.metric import Metric
from infovae.model import Model, Observed

REACH = 8.0
"""Standard deviations of q(z|x) within which all of its mass lies, to 1e-15."""


def line_weights(nodes: Float64[Tensor, " m"]) -> Float64[Tensor, " m"]:
    """The trapezoid rule's weights at ascending nodes."""
    gaps = nodes.diff()
    zero = nodes.new_zeros(1)
    return (torch.cat([gaps, zero]) + torch.cat([zero, gaps])) / 2


class InferenceGap(Metric):
    """``log_evidence`` = E log p(x), and ``inference_gap`` = E KL(q(z|x) || p(z|x)), in nats, by quadrature over z.

    The ELBO is the first less the second: an ELBO can be as good as one likes beside a gap that is as large as one
    likes (Zhao, Song, Ermon 2017, Proposition 1). For one latent dimension, a posterior with a density, and data of few
    distinct images. Nodes lie evenly over the prior's quantiles and, closer, around each posterior.

    Args:
        model: what is measured.
        nodes: over the prior, and a tenth as many over each posterior.

    Raises:
        ValueError: the latent space is no line, or there are too few nodes.
    """

    seen: list[Tensor]

    def __init__(self, model: Model, nodes: int = 20000) -> None:
        super().__init__()
        if model.prior.latent_dim != 1:
            raise ValueError(f"latent_dim={model.prior.latent_dim}: quadrature is over a line; accepted: latent_dim=1")
        if nodes < 100:
            raise ValueError(f"nodes={nodes}: invalid; accepted: whole numbers of at least 100")
        self.add_state("seen", [], dist_reduce_fx="cat")
        self.model = model
        self.nodes = nodes

    def observe(self, observed: Observed) -> None:
        self.update(observed.images)

    def update(self, images: Tensor) -> None:
        """Take in a batch of images."""
        self.seen.append(images)

    def compute(self) -> dict[str, Tensor]:
        images, counts = torch.cat(list(self.seen)).unique(dim=0, return_counts=True)
        share = counts.double() / counts.sum()
        evidence, gap = torch.stack([torch.stack(self._of(image)) for image in images]).T
        return {"log_evidence": share @ evidence, "inference_gap": share @ gap}

    def _of(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """log p(x) and KL(q(z|x) || p(z|x)) of one image."""
        posterior = self.model.encode(image[None])
        centre, scale = posterior.mean.double(), posterior.variance.double().sqrt()
        spread = torch.linspace(-REACH, REACH, self.nodes // 10, dtype=torch.float64, device=image.device)
        prior = self.model.prior
        draws = prior.sample(1000).double()
        middle, width = draws.mean(), draws.std()
        wide = torch.linspace(-10, 10, self.nodes, dtype=torch.float64, device=image.device)
        z = torch.cat([middle + width * wide, (centre + scale * spread[:, None]).flatten()]).unique()
        weights = line_weights(z).log()
        log_likelihood = self.model.decode(z[:, None].to(image)).log_prob(image).double()
        joint = prior.log_prob(z[:, None]) + log_likelihood
        evidence = (joint + weights).logsumexp(dim=0)
        log_q = Normal(centre.squeeze(), scale.squeeze()).log_prob(z)
        # Elsewhere q(z|x) has no mass, and p(x|z) may be 0.
        own = (z - centre).squeeze().abs() <= REACH * scale.squeeze()
        mass = (log_q + weights)[own].softmax(dim=0)
        return evidence, mass @ (log_q - joint)[own] + evidence
