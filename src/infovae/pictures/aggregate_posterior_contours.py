"""q(z) against p(z), as densities (Zhao, Song, Ermon 2017, Figures 1 and 3)."""

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from infovae.errors import require_at_least
from infovae.model import Model, Observed
from infovae.pictures.canvas import AGGREGATE_COLOUR, PRIOR_COLOUR, rendered, style
from infovae.pictures.densities import densities, draw_plane
from infovae.pictures.latent_space import finite
from infovae.pictures.picture import Picture, Pixels


class AggregatePosteriorContours(Picture):
    """Contours of q(z) and of the prior around the same shares of their mass; for one dimension, both curves.

    For more than two dimensions, the two in which q(z) has most variance are drawn.

    Args:
        examples: how many posteriors make up q(z).
        rows: of the square grid on which densities are evaluated, at a cost of examples * rows exponentials.
    """

    def __init__(self, examples: int = 5000, rows: int = 100) -> None:
        super().__init__(examples, least=1)
        require_at_least(2, rows=rows)
        self.rows = rows

    def draw(self, model: Model, observed: Observed) -> Pixels | None:
        codes = finite(observed).codes
        if not len(codes.z):
            return None
        found = densities(codes, model.prior, self.rows)
        latent_dim = model.prior.latent_dim
        with style():
            figure = Figure(figsize=(4.5, 3 if latent_dim == 1 else 4.9))
            axes = figure.add_subplot()
            if latent_dim == 1:
                z, aggregate, prior = (values.numpy() for values in (found.ticks, found.aggregate, found.prior))
                axes.plot(z, aggregate, color=AGGREGATE_COLOUR)
                axes.fill_between(z, aggregate, color=AGGREGATE_COLOUR, alpha=0.2, linewidth=0)
                axes.plot(z, prior, color=PRIOR_COLOUR, linestyle="dashed")
                axes.set(xlim=(z[0], z[-1]), ylim=(0, None), xlabel="$z$", ylabel="density")
            else:
                draw_plane(axes, found, AGGREGATE_COLOUR)
                of = f"\nthe two of {latent_dim} dimensions in which $q(z)$ has most variance"
                axes.set_title(f"contours around 25, 50, 75, 95 % of the mass{'' if latent_dim == 2 else of}")
            q = Line2D([], [], color=AGGREGATE_COLOUR, label="$q(z)$")
            p = Line2D([], [], color=PRIOR_COLOUR, linestyle="dashed", label="$p(z)$")
            figure.legend(handles=[q, p], loc="outside lower center", ncols=2)
            return rendered(figure)
