"""Densities of q(z) and p(z) on a line or a plane, and the contours that compare them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64
from matplotlib.axes import Axes
from torch import Tensor

from infovae.codes import Codes
from infovae.exact import exact
from infovae.metrics.aggregate_information import independent_dimensions, log_aggregate, log_normal
from infovae.pictures.canvas import PRIOR_COLOUR
from infovae.pictures.latent_space import PRIOR_DRAWS
from infovae.priors.prior import Prior

MASSES = (0.25, 0.5, 0.75, 0.95)
"""The shares of a density's mass that its contours enclose."""

KERNELS = 2000
"""How many draws of the prior a kernel estimate uses."""

SHARE_DRAWN = 0.998
"""The share of each cloud that lies inside the picture."""


def ticks_of(rows: int, extent: float) -> Float64[Tensor, " rows"]:
    """Return evenly spaced numbers from -extent to extent."""
    return torch.linspace(-extent, extent, rows, dtype=torch.float64)


def plane(ticks: Float64[Tensor, " rows"]) -> Float64[Tensor, "rows*rows 2"]:
    """Return the points of a square grid about 0: z_1 grows to the right, z_2 upwards, the first row on top."""
    vertical, horizontal = torch.meshgrid(-ticks, ticks, indexing="ij")
    return torch.stack([horizontal.flatten(), vertical.flatten()], dim=1)


def extent_of(*clouds: Float[Tensor, "_ k"]) -> float:
    """Return half the side of a square about 0 that has nearly all of each cloud inside."""
    return 1.1 * max(float(exact(cloud).abs().quantile(SHARE_DRAWN, dim=0).max()) for cloud in clouds)


class AggregateAndPrior(NamedTuple):
    """q and p on evenly spaced ticks of one dimension of z, or on the :func:`plane` of two."""

    dimensions: list[int]
    ticks: Float64[Tensor, " rows"]
    aggregate: Float64[Tensor, " m"]
    prior: Float64[Tensor, " m"]


def widest(codes: Codes) -> list[int]:
    """Return the two dimensions in which q(z) has most variance, ascending; or the only dimension."""
    variance = exact(codes.variance).mean(dim=0) + exact(codes.mean).var(dim=0, correction=0)
    return sorted(variance.argsort(descending=True, stable=True)[:2].tolist())


def densities(codes: Codes, prior: Prior, rows: int, extent: float | None = None) -> AggregateAndPrior:
    """Return q and p in the :func:`widest` dimensions.

    Args:
        codes: n, one at least, all finite.
        prior: p(z).
        rows: of the square grid; a line gets its square.
        extent: half the side of the square about 0; None: that of :func:`extent_of`.
    """
    dimensions = widest(codes)
    extent = extent or extent_of(codes.z[:, dimensions], prior.sample(PRIOR_DRAWS)[:, dimensions])
    ticks = ticks_of(rows**2 if len(dimensions) == 1 else rows, extent)
    spacing = 2 * extent / (len(ticks) - 1)
    aggregate = aggregate_density(codes, dimensions, ticks, spacing)
    return AggregateAndPrior(dimensions, ticks, aggregate, prior_density(prior, dimensions, ticks, spacing))


def aggregate_density(
    codes: Codes, dimensions: Sequence[int], ticks: Float64[Tensor, " rows"], spacing: float
) -> Float64[Tensor, " m"]:
    """Return q of some dimensions: the exact mixture of posteriors where that is known, or a kernel estimate.

    A posterior narrower than the spacing of the ticks would fall between them, so it is drawn that wide. On a plane
    this costs rows * n exponentials rather than rows^2 * n, since a posterior's density is a product over dimensions.

    Args:
        codes: n, one at least, all finite.
        dimensions: which one, or which two.
        ticks: where on a line; of two dimensions, on the :func:`plane` of them, about 0.
        spacing: between neighbouring ticks.
    """
    chosen = list(dimensions)
    gaussian = codes.conditional is None or (codes.conditional.gaussian and len(chosen) == 1)
    if gaussian and (codes.variance > 0).all():
        mean, variance = exact(codes.mean[:, chosen]), exact(codes.variance[:, chosen])
    else:
        mean = exact(codes.z[:, chosen])
        n, k = mean.shape
        variance = (mean.var(dim=0, correction=0) * n ** (-2 / (k + 4))).expand_as(mean)  # Scott's rule (1992)
    mean, variance = mean.cpu(), variance.cpu() + spacing**2
    if len(chosen) == 1:
        return log_aggregate(ticks[:, None], mean, variance)[0].exp()
    horizontal, vertical = (
        log_normal(along[:, None], mean[:, k], variance[:, k]).exp() for k, along in enumerate((ticks, -ticks))
    )
    return (vertical @ horizontal.T).flatten() / len(mean)


def prior_density(
    prior: Prior, dimensions: Sequence[int], ticks: Float64[Tensor, " rows"], spacing: float
) -> Float64[Tensor, " m"]:
    """p of some dimensions: exact where these are all or independent, else a kernel estimate from draws.

    Arguments as for :func:`aggregate_density`.
    """
    chosen = list(dimensions)
    points = ticks[:, None] if len(chosen) == 1 else plane(ticks)
    draws = prior.sample(KERNELS)
    separate = independent_dimensions(prior.distribution())
    if separate is not None:
        everywhere = draws.new_zeros(len(points), prior.latent_dim)
        everywhere[:, chosen] = points.to(draws)
        return exact(separate.log_prob(everywhere)[:, chosen].sum(dim=1).exp()).cpu()
    if len(chosen) == prior.latent_dim:
        return exact(prior.log_prob(points.to(draws)).exp()).cpu()
    return aggregate_density(Codes(draws, draws, torch.zeros_like(draws), len(draws)), chosen, ticks, spacing)


def levels_of_mass(density: Float64[Tensor, " m"]) -> list[float]:
    """Return the density above which each share of ``MASSES`` lies; ascending, without repetition."""
    ordered = density.sort(descending=True).values
    total = ordered.cumsum(dim=0)
    if not 0 < total[-1] < torch.inf:
        return []
    positions = torch.searchsorted(total / total[-1], torch.tensor(MASSES, dtype=torch.float64)).clamp_max(
        len(total) - 1
    )
    # Slightly lower, so that the plateau of a uniform density lies inside.
    return sorted({0.999 * level for level in ordered[positions].tolist() if level > 0})


def draw_contours(
    axes: Axes, ticks: Float64[Tensor, " rows"], density: Float64[Tensor, " rows*rows"], colour: str, filled: bool
) -> None:
    """Draw contours of a density on :func:`plane`, around ``MASSES`` of its mass: solid and filled, or dashed."""
    levels = levels_of_mass(density)
    if not levels:
        return
    where = (ticks.numpy(), ticks.numpy()[::-1], density.reshape(len(ticks), -1).numpy())
    if filled:
        for level in levels:  # each shade over the wider ones
            axes.contourf(*where, levels=[level, np.inf], colors=[colour], alpha=0.18)
    style = "solid" if filled else "dashed"
    axes.contour(*where, levels=levels, colors=[colour], linewidths=1, linestyles=style)


def draw_plane(axes: Axes, found: AggregateAndPrior, colour: str) -> None:
    """Draw contours of q(z), filled, and of p(z), dashed."""
    draw_contours(axes, found.ticks, found.aggregate, colour, filled=True)
    draw_contours(axes, found.ticks, found.prior, PRIOR_COLOUR, filled=False)
    ends = found.ticks[[0, -1]].tolist()
    across, up = (f"$z_{{{k + 1}}}$" for k in found.dimensions)
    axes.set(xlim=ends, ylim=ends, aspect="equal", xlabel=across, ylabel=up)
