"""Plot the eigenvalues of Cov[q(z)] against the prior's."""

import math

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, StrMethodFormatter

from infovae.metrics.covariance import Moments
from infovae.metrics.covariance_spectrum import spectrum
from infovae.metrics.log_det_covariance import log_det
from infovae.model import Model, Observed
from infovae.pictures.canvas import AGGREGATE_COLOUR, PRIOR_COLOUR, axis_number, rendered, style
from infovae.pictures.latent_space import finite, prior_covariance
from infovae.pictures.picture import Picture, Pixels


class CovarianceEigenvalues(Picture):
    """Eigenvalues of Cov[q(z)] and of Cov[p(z)], descending, on a log axis, which leaves out those that are 0.

    Args:
        examples: the number of codes that stand for q(z).
    """

    def __init__(self, examples: int = 5000) -> None:
        super().__init__(examples, least=2)

    def draw(self, model: Model, observed: Observed) -> Pixels | None:
        codes = finite(observed).codes
        if len(codes.mean) < 2:
            return None
        moments = Moments.of(codes)
        covariance, noise = moments.covariance().cpu(), moments.noise().cpu()
        aggregate = spectrum(covariance, noise).flip(0)
        if not (aggregate > 0).any():
            return None
        prior = spectrum(prior_covariance(model.prior).cpu()).flip(0)
        rank = np.arange(1, len(aggregate) + 1)
        marker = "o" if len(rank) <= 50 else ""
        with style():
            figure = Figure(figsize=(4.5, 3))
            axes = figure.add_subplot()
            axes.set_yscale("log")
            axes.set_ylim(*_limits(torch.cat([aggregate, prior])))
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.minorticks_off()
            for eigenvalues, colour, line, of in (
                (prior, PRIOR_COLOUR, "dashed", "p"),
                (aggregate, AGGREGATE_COLOUR, "solid", "q"),
            ):
                shown = eigenvalues.where(eigenvalues > 0, torch.nan).numpy()
                name = rf"$\mathrm{{Cov}}[{of}(z)]$"
                axes.plot(rank, shown, color=colour, linestyle=line, marker=marker, markersize=4, label=name)
            axes.set_xlim(0.5, len(rank) + 0.5)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.set(xlabel="rank", ylabel="eigenvalue")
            zeros = int((aggregate == 0).sum())
            note = f"; {zeros} of {len(rank)} are 0" if zeros else ""
            axes.set_title(
                rf"$\log\,\det\,\mathrm{{Cov}}[q(z)]$ = {axis_number(log_det(covariance, noise).item(), 2)}{note}"
            )
            figure.legend(loc="outside lower center", ncols=2)
            return rendered(figure)


def _limits(eigenvalues: torch.Tensor) -> tuple[float, float]:
    """Return the limits of a log axis: all positive values with a margin, and a factor of 4 at least, for ticks."""
    low, high = (bound.log().item() for bound in eigenvalues[eigenvalues > 0].aminmax())
    half = max(0.55 * (high - low), math.log(2))
    return math.exp((low + high) / 2 - half), math.exp((low + high) / 2 + half)
