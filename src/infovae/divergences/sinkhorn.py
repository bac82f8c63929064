"""Debiased Sinkhorn divergence (Feydy et al. 2019, arXiv 1810.08278), solved by geomloss.

    S_eps(q, p) = OT_eps(q, p) - OT_eps(q, q) / 2 - OT_eps(p, p) / 2

OT_eps is optimal transport with cost ||x - y||^2 / 2 and an entropic penalty eps = blur^2. It goes from half the
squared Wasserstein distance, W_2^2 / 2 (blur to 0), to half the squared distance of the means (blur to infinity);
never negative, and 0 only where q = p. This file alone needs geomloss, and only ``divergence=sinkhorn`` loads it.
"""

import torch
from geomloss import SamplesLoss
from jaxtyping import Float
from torch import Tensor

from infovae.codes import Codes
from infovae.divergences.divergence import Divergence
from infovae.divergences.kernels import squared_distances
from infovae.priors.prior import Prior

WIDE = 64.0
"""Diameters, in units of blur, from which potentials of size diameter^2 / 2 need float64 to differ by blur^2."""


def half_squared_distances(x: Float[Tensor, "1 n d"], y: Float[Tensor, "1 m d"]) -> Float[Tensor, "1 n m"]:
    """||x_i - y_j||^2 / 2, in geomloss's layout."""
    return squared_distances(x[0], y[0])[None] / 2


def sinkhorn_divergence(
    z_q: Float[Tensor, "n d"], z_p: Float[Tensor, "m d"], blur: float = 1.0, scaling: float = 0.5
) -> Float[Tensor, ""]:
    """S_eps between two samples of equal weights, in squared units of z.

    The gradient is that of the dual potentials at the optimum (the envelope theorem), not of the iterations.

    Args:
        z_q: codes.
        z_p: draws from the prior.
        blur: sqrt(eps), in units of z.
        scaling: eps falls from the squared diameter of the points to blur^2 by this factor, squared, in each iteration;
            nearer to 1 is more exact and slower.
    """
    # Moving a sample by m adds exactly <m, difference of means> + ||m||^2 / 2. So the means are compared by themselves:
    # what is left to transport is small however far the two samples are apart.
    mean_q, mean_p = z_q.mean(dim=0), z_p.mean(dim=0)
    x, y = z_q - mean_q, z_p - mean_p
    # The schedule's length depends on the diameter: the one number that must leave the device.
    points = torch.cat([x, y]).detach()
    diameter = max(blur, (points.amax(dim=0) - points.amin(dim=0)).norm().item())
    if diameter > WIDE * blur:
        x, y = z_q.double() - mean_q, z_p.double() - mean_p
    solver = SamplesLoss(
        "sinkhorn",
        p=2,
        blur=blur,
        diameter=diameter,
        scaling=scaling,
        cost=half_squared_distances,
        backend="tensorized",
    )
    with torch.set_grad_enabled(torch.is_grad_enabled()):  # geomloss leaves gradients on, whatever they were
        divergence: Tensor = solver(x, y)
    return divergence.to(z_q.dtype) + (mean_q - mean_p).square().sum() / 2


class Sinkhorn(Divergence):
    """S_eps between a batch of codes and as many prior draws.

    Args:
        blur: sqrt(eps), in units of z: detail below it is not seen, nor is most of the sampling noise there.
        scaling: of the solver's schedule, in (0, 1).
    """

    def __init__(self, blur: float = 1.0, scaling: float = 0.5) -> None:
        super().__init__()
        if not 0 < blur < float("inf"):
            raise ValueError(f"blur={blur:g}: invalid; accepted: finite values above 0")
        if not 0 < scaling < 1:
            raise ValueError(f"scaling={scaling:g}: invalid; accepted: values between 0 and 1")
        self.blur = blur
        self.scaling = scaling

    def forward(self, codes: Codes, prior: Prior) -> Float[Tensor, ""]:
        return sinkhorn_divergence(codes.z, prior.sample(len(codes.z)), self.blur, self.scaling)
