"""q(z) against p(z), as densities (Zhao, Song, Ermon 2017, Figures 1 and 3)."""

from jaxtyping import Float64
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from infovae.codes import Codes
from infovae.errors import require_at_least
from infovae.exact import exact
from infovae.model import Model, Observed
from infovae.pictures.canvas import AGGREGATE_COLOUR, PRIOR_COLOUR, rendered, style
from infovae.pictures.densities import aggregate_density, draw_contours, extent_of, prior_density, ticks_of
from infovae.pictures.latent_space import PRIOR_DRAWS, finite
from infovae.pictures.picture import Picture, Pixels


class AggregatePosteriorContours(Picture):
    """Contours of q(z) and of the prior around the same shares of their mass; for one dimension, both curves.

    For more than two dimensions, the two in which q(z) has most variance are drawn.

    Args:
        examples: how many posteriors make up q(z).
        rows: of the square grid on which densities are evaluated, at a cost of examples * rows exponentials.
    """

    def __init__(self, examples: int = 5000, rows: int = 100) -> None:
        require_at_least(1, examples=examples)
        require_at_least(2, rows=rows)
        super().__init__(examples)
        self.rows = rows

    def draw(self, model: Model, observed: Observed) -> Pixels | None:
        codes = finite(observed).codes
        if not len(codes.z):
            return None
        dimensions = widest(codes)
        extent = extent_of(codes.z[:, dimensions], model.prior.sample(PRIOR_DRAWS)[:, dimensions])
        one = len(dimensions) == 1
        rows = self.rows**2 if one else self.rows
        ticks, spacing = ticks_of(rows, extent), 2 * extent / (rows - 1)
        aggregate = aggregate_density(codes, dimensions, ticks, spacing)
        prior = prior_density(model.prior, dimensions, ticks, spacing)
        return _curves(ticks, aggregate, prior) if one else _contours(extent, dimensions, codes, aggregate, prior)


def widest(codes: Codes) -> list[int]:
    """Return the two dimensions in which q(z) has most variance, ascending; or the only dimension."""
    variance = exact(codes.variance).mean(dim=0) + exact(codes.mean).var(dim=0, correction=0)
    return sorted(variance.argsort(descending=True, stable=True)[:2].tolist())


def _contours(
    extent: float,
    dimensions: list[int],
    codes: Codes,
    aggregate: Float64[Tensor, " m"],
    prior: Float64[Tensor, " m"],
) -> Pixels:
    names = [f"$z_{{{k + 1}}}$" for k in dimensions]
    latent_dim = codes.z.shape[1]
    with style():
        figure = Figure(figsize=(4.5, 4.9))
        axes = figure.add_subplot()
        draw_contours(axes, extent, aggregate, AGGREGATE_COLOUR, dashed=False, filled=True)
        draw_contours(axes, extent, prior, PRIOR_COLOUR, dashed=True)
        axes.set(xlim=(-extent, extent), ylim=(-extent, extent), aspect="equal", xlabel=names[0], ylabel=names[1])
        of = "" if latent_dim == 2 else f"\nthe two of {latent_dim} dimensions in which $q(z)$ has most variance"
        axes.set_title(f"contours around 25, 50, 75, 95 % of the mass{of}")
        figure.legend(handles=_handles(), loc="outside lower center", ncols=2)
        return rendered(figure)


def _curves(ticks: Float64[Tensor, " m"], aggregate: Float64[Tensor, " m"], prior: Float64[Tensor, " m"]) -> Pixels:
    with style():
        figure = Figure(figsize=(4.5, 3))
        axes = figure.add_subplot()
        z = ticks.numpy()
        axes.plot(z, aggregate.numpy(), color=AGGREGATE_COLOUR)
        axes.fill_between(z, aggregate.numpy(), color=AGGREGATE_COLOUR, alpha=0.2, linewidth=0)
        axes.plot(z, prior.numpy(), color=PRIOR_COLOUR, linestyle="dashed")
        axes.set(xlim=(z[0], z[-1]), ylim=(0, None), xlabel="$z$", ylabel="density")
        figure.legend(handles=_handles(), loc="outside lower center", ncols=2)
        return rendered(figure)


def _handles() -> list[Line2D]:
    return [
        Line2D([], [], color=AGGREGATE_COLOUR, label="$q(z)$"),
        Line2D([], [], color=PRIOR_COLOUR, linestyle="dashed", label="$p(z)$"),
    ]
