"""Debiased Sinkhorn divergence (Feydy et al. 2019, arXiv 1810.08278), solved by geomloss.

    S_eps(q, p) = OT_eps(q, p) - OT_eps(q, q) / 2 - OT_eps(p, p) / 2

OT_eps is the cost of optimal transport with cost ||x - y||^2 / 2 and an entropic penalty eps = blur^2. S_eps goes from
half the squared Wasserstein distance, W_2^2 / 2 (blur to 0), to half the squared distance of the means (blur to
infinity). It is never negative, and 0 only if q = p. Only this file imports geomloss.
"""

import torch
from geomloss import SamplesLoss
from jaxtyping import Float
from torch import Tensor

from infovae.codes import Codes
from infovae.divergences.divergence import Divergence
from infovae.divergences.kernels import squared_distances
from infovae.divergences.samples import check_shapes
from infovae.errors import ArgumentError
from infovae.exact import exact, rounded
from infovae.priors.prior import Prior

WIDE = 64.0
"""From this diameter on, in units of blur, potentials need float64: they are as large as diameter^2 / 2, and must be
precise to a fraction of blur^2."""


def half_squared_distances(x: Float[Tensor, "1 n d"], y: Float[Tensor, "1 m d"]) -> Float[Tensor, "1 n m"]:
    """Return ||x_i - y_j||^2 / 2 in geomloss's layout."""
    return squared_distances(x[0], y[0])[None] / 2


def sinkhorn_divergence(
    z_q: Float[Tensor, "n d"], z_p: Float[Tensor, "m d"], blur: float = 1.0, scaling: float = 0.5
) -> Float[Tensor, ""]:
    """Return S_eps between two samples of equal weights, in squared units of z.

    The gradient is that of the dual potentials at the optimum (the envelope theorem), not of the iterations.

    The solver stops early, mostly with too low a value. At d = 2, 10 and 64 and n = 96, for q = p and for q = N(0.5,
    1.3^2 I), ``scaling=0.5`` was off by at most 15 % for a blur from 0.25, and 23 % at 0.1. ``scaling=0.9`` was off by
    at most 2.5 % and 4.6 %, in about four times the time. The errors are largest for d = 2 and q = p.

    Args:
        z_q: codes.
        z_p: draws from the prior.
        blur: sqrt(eps), in units of z.
        scaling: in each iteration eps falls by this factor squared, from the squared diameter of the points to blur^2.
            A value nearer to 1 is more exact and slower.

    Raises:
        ArgumentError: the two differ in dimension, or a number is out of range.
    """
    check_shapes(z_q=(z_q, None, z_q.shape[-1]), z_p=(z_p, None, z_q.shape[-1]))
    _check_schedule(blur, scaling)
    # S_eps of two samples is exactly that of the centred samples plus ||mean_q - mean_p||^2 / 2. The solver gets the
    # centred ones, whose potentials stay small however far the samples are apart.
    shift = z_p.detach().mean(dim=0)
    z_q, z_p = z_q - shift, z_p - shift
    mean_q, mean_p = z_q.mean(dim=0), z_p.mean(dim=0)
    x, y = z_q - mean_q, z_p - mean_p
    # The schedule's length depends on the diameter, so this number must leave the device.
    points = torch.cat([x, y]).detach()
    diameter = max(blur, (points.amax(dim=0) - points.amin(dim=0)).norm().item())
    if diameter > WIDE * blur:
        x, y = exact(z_q) - exact(mean_q), exact(z_p) - exact(mean_p)
    solver = SamplesLoss(
        "sinkhorn",
        p=2,
        blur=blur,
        diameter=diameter,
        scaling=scaling,
        cost=half_squared_distances,
        backend="tensorized",
    )
    with torch.set_grad_enabled(torch.is_grad_enabled()):  # geomloss turns gradients on and leaves them on
        divergence: Tensor = solver(x, y)
    return rounded(divergence, z_q) + (mean_q - mean_p).square().sum() / 2


def _check_schedule(blur: float, scaling: float) -> None:
    if not 0 < blur < float("inf"):
        raise ArgumentError("blur", f"{blur:g}", "finite values above 0")
    if not 0 < scaling < 1:
        raise ArgumentError("scaling", f"{scaling:g}", "values between 0 and 1")


class Sinkhorn(Divergence):
    """S_eps between a batch of codes and as many prior draws.

    Args:
        blur: sqrt(eps), in units of z. It hides finer detail, and most of the sampling noise there.
        scaling: the factor of the solver's schedule, in (0, 1); see :func:`sinkhorn_divergence` for its errors.
    """

    def __init__(self, blur: float = 1.0, scaling: float = 0.5) -> None:
        super().__init__()
        _check_schedule(blur, scaling)
        self.blur = blur
        self.scaling = scaling

    def forward(self, codes: Codes, prior: Prior) -> Float[Tensor, ""]:
        return sinkhorn_divergence(codes.z, prior.sample(len(codes.z)), self.blur, self.scaling)
